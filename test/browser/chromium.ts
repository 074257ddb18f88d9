import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'

const INSTALLED = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const PACKAGE = '@sparticuz/chromium'
const UNPACKED = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url))
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Every name is this machine: tests get real sites, and never reach a real one.
  '--host-resolver-rules=MAP * 127.0.0.1',
]

/**
 * Starts a real Chromium: `CHROMIUM_PATH`, else an installed one, else (or with `CHROMIUM_PATH=npm`) the npm
 * package's own, which brings the system libraries that a bare machine lacks.
 * @param secureOrigins http origins to treat as https is, for what browsers keep to secure contexts
 */
export async function launchChromium(secureOrigins: string[] = []): Promise<Browser> {
  const { executablePath, env } = installedChromium() ?? (await packagedChromium())
  const secure = `--unsafely-treat-insecure-origin-as-secure=${secureOrigins.join(',')}`
  return chromium.launch({ executablePath, env: { ...process.env, ...env }, args: [...ARGS, secure] })
}

interface Executable {
  executablePath: string
  env?: Record<string, string>
}

function installedChromium(): Executable | undefined {
  const { CHROMIUM_PATH, PATH = '' } = process.env
  if (CHROMIUM_PATH === 'npm') return undefined
  if (CHROMIUM_PATH) return { executablePath: CHROMIUM_PATH }
  const candidates = INSTALLED.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name)))
  const executablePath = candidates.find((path) => existsSync(path))
  return executablePath ? { executablePath } : undefined
}

/** Unpacked once per installation; each of several test files may be the first to come. */
async function packagedChromium(): Promise<Executable> {
  const folder = join(UNPACKED, 'chromium')
  if (!existsSync(folder)) await unpackInto(folder)
  const libraries = join(folder, 'al2023', 'lib')
  return {
    executablePath: join(folder, 'chromium'),
    env: {
      LD_LIBRARY_PATH: [libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter),
      FONTCONFIG_PATH: join(folder, 'fonts'),
    },
  }
}

async function unpackInto(folder: string): Promise<void> {
  await mkdir(UNPACKED, { recursive: true })
  const staging = await mkdtemp(join(UNPACKED, 'unpacking-'))
  const script = `import chromium from '${PACKAGE}'; await chromium.executablePath()`
  // The package unpacks into TMPDIR, and its libraries only where it believes to be on a bare cloud machine.
  const env = { ...process.env, TMPDIR: staging, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' }
  await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { env })
  // Whoever renames first wins; a half unpacked browser is never seen under the final name.
  await rename(staging, folder).catch(() => rm(staging, { recursive: true }))
}
