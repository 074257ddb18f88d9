import { NAME } from './tabs.ts'

let expiry = 0

/**
 * Stores the token where the guide does, for the customer's own code. The bridge never reads it. Storage may
 * be blocked.
 */
export function store(token = '', lifeMs = 0): void {
  clearTimeout(expiry)
  try {
    localStorage.removeItem(NAME)
    if (!token) return
    localStorage.setItem(NAME, token)
    expiry = window.setTimeout(store, lifeMs)
  } catch {}
}
