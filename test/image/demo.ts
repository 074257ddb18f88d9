/** A user of the demo asks for a token, from inside the container. */
export const signIn = `
  const origin = 'http://127.0.0.1:3000'
  const post = (path, headers, body) =>
    fetch(origin + path, { method: 'POST', headers: { origin, 'content-type': 'application/json', ...headers }, body })
  const [cookie] = (await post('/demo/sign-in', {}, '{"user":"ada"}')).headers.getSetCookie()
  const answer = await post('/widget-token', { cookie: cookie.split(';')[0] }, '{}')
  console.log(answer.status, 'token' in (await answer.json()) ? 'token' : '')
`
