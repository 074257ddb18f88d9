/**
 * Whether a `Host` header names the host of this URL. The scheme's default port may be present (RFC 9110
 * §4.2.3).
 */
export function hasHost({ protocol, host }: URL, header: string | undefined): boolean {
  const usualPort = protocol === 'https:' ? ':443' : ':80'
  const given = header?.toLowerCase()
  return given === host || given === host + usualPort
}
