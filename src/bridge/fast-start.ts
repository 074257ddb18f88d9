// The fast start: an inline script of at most 400 bytes before `<script async src="…/bridge.js">`. It records
// the requests of widgets and sends the token request at once. The bridge takes over both, checks the
// requests and answers them. It sends no request while the page is prerendered, because the user may
// change before it is shown.
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
