import { ConfigError } from '../config/config.ts'
import { holdsSecret } from '../telemetry/tripwire.ts'
import type { AssetRoute } from './page.ts'

/**
 * Throws `ConfigError` if anyone could fetch a configured secret: from a file that somebody changed, or from
 * `/config.json`, if a key was set in place of a widget's id.
 */
export function refuseServedSecrets(assets: readonly AssetRoute[], secrets: readonly string[]): void {
  const faults = assets
    .filter(({ content }) => content !== undefined && holdsSecret(content.toString(), secrets))
    .map(({ path }) => ({ name: path, message: adviceFor(path) }))
  if (faults.length > 0) throw new ConfigError(faults)
}

function adviceFor(path: string): string {
  return path === '/config.json'
    ? 'would show a configured secret to everyone: check WIDGETS, WIDGET_COMMUNITY_ID and PUBLIC_URL'
    : 'is public and contains a configured secret: remove the secret from the file, and replace it'
}
