const REQUEST = 'RETURNINGAI_WIDGET_REQUEST_TOKEN'
const TOKEN = 'RETURNINGAI_WIDGET_TOKEN'

/** Whether a message asks for a token: the vendor's SDK sends the second type too, with a token in it. */
export function isRequest(data: unknown): boolean {
  const { type } = Object(data)
  return type === REQUEST || (type === TOKEN && !('value' in Object(data) || 'token' in Object(data)))
}
