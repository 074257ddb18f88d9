import { NAME } from './tabs.ts'

let expiry = 0

/** Puts the token where the guide has it, for the customer's own code; the bridge never reads it. Storage may be blocked. */
export function store(token = '', lifeMs = 0): void {
  clearTimeout(expiry)
  try {
    localStorage.removeItem(NAME)
    if (!token) return
    localStorage.setItem(NAME, token)
    expiry = window.setTimeout(store, lifeMs)
  } catch {}
}
