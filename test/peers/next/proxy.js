import { NextResponse } from 'next/server'

/** Sends visitors without a session to the sign-in page: by 307, which is what Next.js redirects with. */
export function proxy(request) {
  const isSignedIn = request.cookies.get('session')?.value.includes('@')
  return isSignedIn ? undefined : NextResponse.redirect(new URL('/login', request.url))
}

export const config = { matcher: '/api/:path*' }
