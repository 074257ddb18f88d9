import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const engineNames = ['Chromium', 'Firefox', 'WebKitGTK'] as const
export type EngineName = (typeof engineNames)[number]

/** The first of these commands that is on the PATH. */
function findCommand(...names: string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path))
}

export function findFirefox(): string | undefined {
  return findCommand('firefox-esr', 'firefox')
}

/** WebKitGTK's own small browser, which its driver starts. */
export function findMiniBrowser(): string | undefined {
  const libraries = existsSync('/usr/lib')
    ? readdirSync('/usr/lib').map((name) => join('/usr/lib', name))
    : []
  const paths = ['webkitgtk-6.0', 'webkit2gtk-4.1'].flatMap((version) =>
    libraries.map((folder) => join(folder, version, 'MiniBrowser')),
  )
  return paths.find((path) => existsSync(path))
}

/** Why an engine cannot run here. Chromium comes with npm. */
function reasonAgainst(engine: EngineName): string | undefined {
  if (engine === 'Firefox' && !findFirefox()) return 'firefox-esr is not installed'
  if (engine !== 'WebKitGTK') return undefined
  if (!findMiniBrowser() || !findCommand('WebKitWebDriver')) return 'webkit2gtk-driver is not installed'
  return findCommand('Xvfb') ? undefined : 'xvfb is not installed'
}

function parseName(text: string): EngineName {
  const name = engineNames.find((each) => each === text)
  if (!name) throw new Error(`BROWSERS names ${text}, which is none of ${engineNames.join(', ')}`)
  return name
}

/**
 * The engines of this run: those that `BROWSERS` names (`BROWSERS=Chromium,Firefox`), else all. One that is not
 * installed is left out, but fails the run in CI.
 */
export function findEngines(): { running: EngineName[]; missing: string[] } {
  const { BROWSERS = engineNames.join(), CI } = process.env
  const wanted = BROWSERS.split(',').map(parseName)
  const running = wanted.filter((name) => !reasonAgainst(name))
  const missing = wanted
    .filter((name) => reasonAgainst(name))
    .map((name) => `${name} is skipped: ${reasonAgainst(name)}`)
  if (CI && missing.length) throw new Error(['CI needs every browser.', ...missing].join('\n'))
  return { running, missing }
}
