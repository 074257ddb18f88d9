import { cookies } from 'next/headers'

/** The session of this app is the email itself: what matters here is how Next.js answers. */
export async function GET() {
  const email = (await cookies()).get('session').value
  return Response.json({ sub: `user of ${email}`, email })
}
