// The second half of `npm run build`: bundles what runs in the customer's page, and compresses every file of the page
// once, here, so that no start of the broker pays for it.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { minify } from 'terser'

const root = import.meta.dirname
const output = `${root}/dist/public`
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))

/**
 * Properties that only our own modules use get one letter each, the same in both bundles, as a second script uses what
 * the first has made. That saves 90 bytes of the bridge as served. None may be a name of the browser's or of the types.
 */
const INTERNAL = [
  ...['answer', 'asked', 'done', 'early', 'element', 'failures', 'field', 'follow', 'forget', 'fresh', 'lifeMs', 'listen'],
  ...['loaded', 'offer', 'renew', 'reset', 'retryAfterMs', 'running', 'serve', 'sourceOf', 'wake', 'want', 'wanted'],
]
const letterOf = (index) => String.fromCharCode('a'.charCodeAt(0) + index)

mkdirSync(output, { recursive: true })
const { outputFiles } = await build({
  entryPoints: ['bridge', 'embed', 'fast-start'].map((name) => `${root}/src/bridge/${name}.ts`),
  outdir: output,
  bundle: true,
  write: false,
  minifySyntax: true,
  mangleProps: new RegExp(`^(${INTERNAL.join('|')})$`),
  mangleCache: Object.fromEntries(INTERNAL.map((name, index) => [name, letterOf(index)])),
  format: 'iife',
  // What the README promises.
  target: ['chrome94', 'firefox93', 'safari15.4'],
  // Beside the bundle for those who debug; the script does not name it, since the broker does not serve it.
  sourcemap: 'external',
  define: { VERSION: JSON.stringify(version) },
  absWorkingDir: root,
  logLevel: 'warning',
})
// terser makes them 4 % smaller than esbuild does, with gzip.
for (const [map, bundle] of pairsOf(outputFiles)) {
  const { code, map: minified } = await minify(bundle.text, {
    ecma: 2020,
    compress: { passes: 3 },
    // No charset header may change what the bytes mean.
    format: { ascii_only: true },
    sourceMap: { content: map.text, filename: basename(bundle.path), includeSources: true },
  })
  writeFileSync(bundle.path, code)
  writeFileSync(map.path, minified)
}

/** Each source map with its bundle, as esbuild lists them. */
function pairsOf(files) {
  return files.flatMap((file, index) => (file.path.endsWith('.map') ? [[file, files[index + 1]]] : []))
}

for (const name of readdirSync(`${root}/public`))
  if (/\.(html|css|js)$/.test(name))
    writeFileSync(`${output}/${name}`, readFileSync(`${root}/public/${name}`))
for (const name of readdirSync(output)) if (/\.(br|gz)$/.test(name)) rmSync(`${output}/${name}`)
for (const name of readdirSync(output).filter((each) => /\.(html|css|js)$/.test(each))) {
  const bytes = readFileSync(`${output}/${name}`)
  writeFileSync(`${output}/${name}.br`, brotliCompressSync(bytes))
  writeFileSync(`${output}/${name}.gz`, gzipSync(bytes, { level: 9 }))
}
