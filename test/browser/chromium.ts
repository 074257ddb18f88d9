import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'

const INSTALLED = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const PACKAGE = '@sparticuz/chromium'
const UNPACKED = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url))
export const chromiumArgs: string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Every name is this machine: tests get real sites, and never reach a real one. Those below `.localhost` are
  // secure contexts over plain http too, and still sites of their own.
  '--host-resolver-rules=MAP * 127.0.0.1',
]

/**
 * Starts a real Chromium: the one at `CHROMIUM_PATH`, else the npm package's own (the same everywhere, twice as
 * fast as a whole browser, and with the system libraries that a bare machine lacks), else an installed one.
 */
export async function launchChromium(): Promise<Browser> {
  const { executablePath, env } = await findChromium()
  return chromium.launch({ executablePath, env: { ...process.env, ...env }, args: chromiumArgs })
}

interface Executable {
  executablePath: string
  env?: Record<string, string>
}

export async function findChromium(): Promise<Executable> {
  const { CHROMIUM_PATH, PATH = '' } = process.env
  if (CHROMIUM_PATH) return { executablePath: CHROMIUM_PATH }
  if (process.platform === 'linux' && process.arch === 'x64') return packagedChromium()
  const paths = INSTALLED.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name)))
  const executablePath = paths.find((path) => existsSync(path))
  if (!executablePath) throw new Error('no Chromium is installed: say where one is by CHROMIUM_PATH')
  return { executablePath }
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
  await writeFile(join(staging, 'fonts', 'fonts.conf'), fontConfiguration(join(folder, 'fonts')))
  // The first process to rename wins. The final name never has a half-unpacked browser.
  await rename(staging, folder).catch(() => rm(staging, { recursive: true }))
}

/** The package's own names its folders on a cloud machine; without any font Chromium ends at the first text. */
const fontConfiguration = (folder: string) => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${folder}</dir><cachedir>${folder}/cache</cachedir></fontconfig>
`
