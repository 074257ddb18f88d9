import { expect, it } from 'vitest'
import { median } from '../../../src/bench/load.ts'
import { formatFigures, type Figure } from '../../../src/bench/report.ts'
import { launchChromium } from '../../browser/chromium.ts'
import { atEnd } from '../../peers/clean-up.ts'
import { alone, pageNames, writePage } from './embeds.ts'
import { measureRequests, writeLargePage } from './large-page.ts'
import { startSites } from './sites.ts'
import { viewInRounds, type Views } from './visit.ts'

const rounds = Number(process.env.ROUNDS ?? 15)

/** How much longer one page may take than another. */
const goals: [which: keyof Views, name: string, other: string, goal: number][] = [
  ['first', 'fast start, path', alone, 1.08],
  ['first', 'fast start, subdomain', alone, 1.1],
  ['first', 'fast start, path', 'guide, path', 1.08],
  ['first', 'fast start, subdomain', 'guide, subdomain', 1.08],
  ['second', 'fast start, path', alone, 1.05],
  ['second', 'fast start, subdomain', alone, 1.05],
]

async function launch() {
  const browser = await launchChromium()
  atEnd(() => browser.close())
  return browser
}

it(`shows a token at the first and at the second view, ${rounds} rounds`, { timeout: 900_000 }, async () => {
  const sites = await startSites(writePage)
  const views = await viewInRounds(await launch(), sites, rounds)
  const figures = compare(views)
  print(`${formatViews(views)}\n${formatFigures(figures)}`)
  expect(figures.filter(({ value, goal = Infinity }) => value > goal)).toEqual([])
})

it('spends little time of a page of 50,000 elements', async () => {
  const sites = await startSites(writeLargePage)
  const costs = await measureRequests(await launch(), sites)
  print(formatFigures(costs))
  expect(costs.map(({ value }) => value)).not.toContain(Number.NaN)
})

/** The ratios of the medians. */
function compare(views: ReadonlyMap<string, Views[]>): Figure[] {
  return goals.map(([which, name, other, goal]) => {
    const value = medianMs(views, name, which) / medianMs(views, other, which)
    return { figure: `${which} view: ${name} / ${other}`, value, goal }
  })
}

function formatViews(views: ReadonlyMap<string, Views[]>): string {
  const rows = pageNames.map((name) => {
    const times = (['first', 'second'] as const).map((which) =>
      medianMs(views, name, which).toFixed(0).padStart(6),
    )
    return [name.padEnd(24), ...times].join('  ')
  })
  return ['median, ms               first  second', ...rows, ''].join('\n')
}

function medianMs(views: ReadonlyMap<string, Views[]>, name: string, which: keyof Views): number {
  return median(views.get(name)!.map((view) => view[which]))
}

function print(text: string): void {
  process.stdout.write(`\n${text}`)
}
