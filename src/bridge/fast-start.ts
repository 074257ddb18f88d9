// The fast start: an inline script of at most 400 bytes before `<script async src="…/bridge.js">`. It notes what widgets
// ask and sends the token request at once; the bridge checks and answers, and takes over both. It sends no request
// while the page is prerendered: the user may change before the page is shown.
declare const TOKEN_URL: string
export {}

if (!(document as { prerendering?: boolean }).prerendering) {
  const heard: MessageEvent[] = []
  const listener = (event: MessageEvent) => void heard.push(event)
  addEventListener('message', listener)
  const response = fetch(TOKEN_URL, {
    method: 'POST',
    credentials: 'include',
    redirect: 'manual',
    headers: { Accept: 'application/json' },
  })
  response.catch(() => {})
  Object.assign(window, { returningAI: { url: TOKEN_URL, listener, heard, response } })
}
