import { needsBroker, needsConfig, type Check, type Finding, type Patient } from './check.ts'
import { checkConfig, checkKeySource } from './configuration.ts'
import {
  checkAllowedOrigins,
  checkForeignOrigin,
  checkHttps,
  checkKeyNotPublic,
  checkReachable,
  checkSessionRequired,
} from './deployment.ts'
import { checkEmbed, checkSignin } from './mints.ts'
import { checkPagePolicy } from './page-policy.ts'
import { checkSessionSource } from './sources.ts'
import { checkClock, checkWidgetPages } from './vendor.ts'
import { OutboundFault } from '../outbound/fault.ts'

export interface Result extends Finding {
  id: string
}

/** Every check by its stable id, in the order in which they run, since some depend on earlier ones. */
const checks: readonly (readonly [id: string, check: Check])[] = [
  ['config', checkConfig],
  ['key_source', needsConfig(checkKeySource)],
  ['vendor_signin', needsConfig(checkSignin)],
  ['vendor_embed', needsConfig(checkEmbed)],
  ['widget_pages', needsConfig(checkWidgetPages)],
  ['clock', needsConfig(checkClock)],
  ['session_source', needsConfig(checkSessionSource)],
  ['broker_reachable', checkReachable],
  ['https', checkHttps],
  ['session_required', needsBroker(checkSessionRequired)],
  ['foreign_origin', needsBroker(checkForeignOrigin)],
  ['allowed_origins', needsBroker(checkAllowedOrigins)],
  ['page_policy', needsBroker(checkPagePolicy)],
  ['key_not_public', needsBroker(checkKeyNotPublic)],
]

/** Runs the checks one after the other, and yields each result as soon as it is there. */
export async function* examine(patient: Patient): AsyncGenerator<Result> {
  for (const [id, check] of checks) yield { id, ...(await run(check, patient)) }
}

/** A check that cannot be finished has not passed. */
async function run(check: Check, patient: Patient): Promise<Finding> {
  try {
    return await check(patient)
  } catch (error) {
    const word =
      error instanceof OutboundFault ? error.outcome : error instanceof Error ? error.name : 'unknown'
    return { status: 'fail', seen: `The check could not be finished: ${word}.`, advice: 'Run it again.' }
  }
}

/** 0: nothing fails. 1: the operator must act. 2: only the vendor or a session source is at fault. */
export function exitCodeOf(results: readonly Finding[]): 0 | 1 | 2 {
  const failed = results.filter(({ status }) => status === 'fail')
  if (failed.length === 0) return 0
  return failed.every(({ otherSide }) => otherSide) ? 2 : 1
}
