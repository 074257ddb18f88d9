import { build, type Plugin } from 'esbuild'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { compileScript, parse } from 'vue/compiler-sfc'
import { blocksOf, readDocument } from '../peers/documents.ts'
import { eventually } from './expect.ts'
import { answerAs } from './scripted-broker.ts'
import { startStage, type Stage } from './stage.ts'

declare global {
  /** Adds what the recipe adds to the page; resolves to what removes it. */
  var mount: () => () => void
  var counts: () => { frames: number; listeners: number; timers: number }
  var mountTimes: (times: number) => Promise<void>
}

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
beforeEach(() => stage.reset())
afterAll(() => stage.close())

const embedding = await readDocument('docs/embedding.md')
const [component = '', embed = ''] = blocksOf(embedding, 'jsx')
const [single = ''] = blocksOf(embedding, 'vue')
const html = blocksOf(embedding, 'html').find((block) => block.includes('showWidget')) ?? ''

/** Counts what outlives an element: frames, listeners of the window and the document, and timers. */
const COUNT = `<script>{
  const timers = new Set()
  const listeners = new Set()
  const ids = new Map()
  const idOf = (object) => ids.get(object) ?? ids.set(object, ids.size).get(object)
  const keyOf = (target, [type, listener, options]) =>
    [idOf(target), type, idOf(listener), Boolean(options?.capture ?? options)].join()
  const { setTimeout, clearTimeout } = window
  window.setTimeout = (work, ms, ...args) => {
    const id = setTimeout(() => { timers.delete(id); work(...args) }, ms)
    timers.add(id)
    return id
  }
  window.clearTimeout = (id) => { timers.delete(id); clearTimeout(id) }
  for (const [name, note] of [['addEventListener', 'add'], ['removeEventListener', 'delete']]) {
    const method = EventTarget.prototype[name]
    EventTarget.prototype[name] = function (...args) {
      const target = this ?? window
      if (target === window || target === document) listeners[note](keyOf(target, args))
      return method.apply(target, args)
    }
  }
  window.counts = () => ({ frames: window.length, listeners: listeners.size, timers: timers.size })
  const frameOf = () => document.querySelector('returning-ai-widget')?.shadowRoot.querySelector('iframe')
  window.mountTimes = async (times) => {
    for (let time = 0; time < times; time += 1) {
      const unmount = mount()
      const frame = frameOf()
      if (frame) await new Promise((resolve) => frame.addEventListener('load', resolve))
      else await new Promise((resolve) => setTimeout(resolve))
      unmount()
    }
  }
}</script>`

/** Bundles a recipe like a customer's build, in development mode, in which React mounts twice. */
async function bundle(entry: string, recipe: string, plugins: Plugin[] = []): Promise<string> {
  const provide: Plugin = {
    name: 'recipe',
    setup(bundle) {
      bundle.onResolve({ filter: /^recipe$/ }, () => ({ path: 'recipe', namespace: 'recipe' }))
      bundle.onLoad({ filter: /./, namespace: 'recipe' }, () => ({
        contents: recipe,
        loader: 'jsx',
        resolveDir: import.meta.dirname,
      }))
    },
  }
  const { outputFiles } = await build({
    stdin: { contents: entry, loader: 'jsx', resolveDir: import.meta.dirname },
    plugins: [provide, ...plugins],
    bundle: true,
    write: false,
    format: 'iife',
    jsx: 'automatic',
    define: {
      'process.env.NODE_ENV': '"development"',
      __VUE_OPTIONS_API__: 'true',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
  })
  return `<script>${outputFiles[0]!.text}</script>`
}

const reactEntry = (name: string, props: string) => `
  import { StrictMode } from 'react'
  import { flushSync } from 'react-dom'
  import { createRoot } from 'react-dom/client'
  import { ${name} } from 'recipe'
  window.mount = () => {
    const host = document.body.appendChild(document.createElement('div'))
    const root = createRoot(host)
    flushSync(() => root.render(<StrictMode><${name} ${props} /></StrictMode>))
    return () => { root.unmount(); host.remove() }
  }`

const vueEntry = `
  import { createApp } from 'vue'
  import Community from 'recipe'
  window.mount = () => {
    const host = document.body.appendChild(document.createElement('div'))
    const app = createApp(Community, { widgetId: 'w1' })
    app.mount(host)
    return () => { app.unmount(); host.remove() }
  }`

const isCustomElement = (tag: string) => tag.startsWith('returning-ai-')

function compileVue(source: string): string {
  const { content } = compileScript(parse(source).descriptor, {
    id: 'recipe',
    inlineTemplate: true,
    templateOptions: { compilerOptions: { isCustomElement } },
  })
  return content
}

const plain = `${html.replace('WIDGET_ID', 'w1')}<script>window.mount = () => { showWidget(); return hideWidget }</script>`

const keeper = () => `<script src="${stage.broker.origin}/embed.js"></script>`
const recipes: [string, () => Promise<string>][] = [
  ['plain HTML', async () => stage.script() + plain],
  [
    'React in StrictMode',
    async () => stage.script() + (await bundle(reactEntry('Community', 'widgetId="w1"'), component)),
  ],
  ['Vue', async () => stage.script() + (await bundle(vueEntry, compileVue(single)))],
  ['React with the vendor’s tags', async () => keeper() + (await bundle(reactEntry('Store', ''), embed))],
]

describe('The recipe for', () => {
  test.each(recipes)('%s leaves no frame, listener or timer after 200 mounts', async (name, open) => {
    if (name.includes('tags'))
      stage.broker.script = () => ({ body: { embedToken: 'e', expiresIn: 900, subject: 'ann' } })
    else stage.broker.script = answerAs('ann')
    const page = await stage.open(COUNT + (await open()))
    await page.evaluate(() => mountTimes(2).then(() => returningAI.ready))
    const before = await page.evaluate(() => counts())
    expect(before.frames).toBe(0)
    await page.evaluate(() => mountTimes(200))
    const { timers, ...others } = before
    await expect.poll(() => page.evaluate(() => counts()), eventually).toMatchObject(others)
    // Some timers run out by themselves.
    const left = () => page.evaluate(() => counts().timers)
    await expect.poll(left, eventually).toBeLessThanOrEqual(Math.max(timers, 2))
    expect(stage.broker.asked().length).toBeLessThanOrEqual(2)
    expect(await page.evaluate(() => faults)).toEqual([])
  })
})

describe('The recipe for React', () => {
  test('shows the widget to a signed-in user', async () => {
    const page = await stage.open(
      stage.script() + (await bundle(reactEntry('Community', 'widgetId="w1"'), component)),
    )
    await page.evaluate(() => void mount())
    await expect.poll(() => stage.heard(page), eventually).toEqual([['ann-token-1']])
  })
})
