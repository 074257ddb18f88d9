import type { Variables } from './variables.ts'

/** Every configured secret as it is used, for checks that no secret leaks. */
export function secretsOf(env: Variables): string[] {
  const found = [
    ...(env.WIDGET_API_KEY ?? []),
    ...(env.WIDGET_API_KEYS ?? []).map(([, key]) => key),
    env.RAI_ACCESS_ID,
    env.RAI_ACCESS_KEY,
    env.SUBJECT_KEY,
    ...(env.SESSION_JWT_SECRET ?? []),
    ...(env.SESSION_INTROSPECTION_CLIENT_SECRET ?? []),
    ...(env.SESSION_HEADER_PROOF ?? []),
    ...(env.SESSION_SECRET ?? []),
    ...[env.SESSION_STORE_URL, env.REDIS_URL, env.HTTPS_PROXY].flatMap(passwordsOf),
  ]
  return [...new Set(found.filter((secret) => secret !== undefined).filter((secret) => secret !== ''))]
}

/** As it is written in the URL, and as it is sent. */
function passwordsOf(address: string | undefined): string[] {
  const { password } = new URL(address ?? 'none:')
  return [password, decodeURIComponent(password)]
}
