import { inject, type TestContext } from 'vitest'
import type { EngineName } from './installed.ts'

/** What some engines do not have. */
const LACKING = {
  'credentialless iframes': ['Firefox', 'WebKitGTK'],
} satisfies Record<string, EngineName[]>

/** Skips the scene, with the reason, in the engines that do not have what it shows. */
export function needs(feature: keyof typeof LACKING, { skip }: TestContext): void {
  const engine = inject('engine')
  skip(
    LACKING[feature].some((each) => each === engine),
    `${engine} has no ${feature}`,
  )
}
