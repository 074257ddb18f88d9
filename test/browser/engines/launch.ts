import type { Engine } from './engine.ts'
import { launchChromiumEngine } from './puppeteer.ts'

export async function launchEngine(): Promise<Engine> {
  return launchChromiumEngine()
}
