import { cookies } from 'next/headers'

/** The session of this app is the email itself: what matters here is how Next.js answers. */
async function currentUser() {
  const email = (await cookies()).get('session').value
  return email.startsWith('ended') ? undefined : { id: `user of ${email}`, email }
}

export async function GET() {
  const user = await currentUser()
  return user ? Response.json({ sub: user.id, email: user.email }) : new Response(null, { status: 401 })
}
