// The second half of `npm run build`: bundles what runs in the customer's page, and compresses every file of the page
// once, here, so that no start of the broker pays for it.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const root = import.meta.dirname
const output = `${root}/dist/public`
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))

mkdirSync(output, { recursive: true })
await build({
  entryPoints: ['bridge', 'embed', 'fast-start'].map((name) => `${root}/src/bridge/${name}.ts`),
  outdir: output,
  bundle: true,
  minify: true,
  format: 'iife',
  // What the README promises.
  target: ['chrome94', 'firefox93', 'safari15.4'],
  // No charset header may change what the bytes mean.
  charset: 'ascii',
  // Beside the bundle for those who debug; the script does not name it, since the broker does not serve it.
  sourcemap: 'external',
  define: { VERSION: JSON.stringify(version) },
  absWorkingDir: root,
  logLevel: 'warning',
})

for (const name of readdirSync(`${root}/public`))
  if (/\.(html|css|js)$/.test(name))
    writeFileSync(`${output}/${name}`, readFileSync(`${root}/public/${name}`))
for (const name of readdirSync(output)) if (/\.(br|gz)$/.test(name)) rmSync(`${output}/${name}`)
for (const name of readdirSync(output).filter((each) => /\.(html|css|js)$/.test(each))) {
  const bytes = readFileSync(`${output}/${name}`)
  writeFileSync(`${output}/${name}.br`, brotliCompressSync(bytes))
  writeFileSync(`${output}/${name}.gz`, gzipSync(bytes, { level: 9 }))
}
