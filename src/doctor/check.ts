import type { Config } from '../config/config.ts'
import type { Environment, Fault } from '../config/files.ts'
import type { HttpClient } from '../outbound/client.ts'
import type { BrokerUnderTest } from './broker-under-test.ts'

/**
 * What one check found. `otherSide`: the vendor or a session source is at fault, and the operator can only
 * wait.
 */
export interface Finding {
  status: 'pass' | 'warn' | 'fail' | 'skipped'
  seen: string
  /** One line of what to do; empty if there is nothing to do. */
  advice: string
  otherSide?: boolean
}

/** What the checks look at. Without a usable configuration there is none, and without `--url` no broker. */
export interface Patient {
  env: Environment
  /** Where the doctor was started: the place of `.env` and of the repository. */
  cwd: string
  config?: Config
  faults: readonly Fault[]
  email?: string
  broker?: BrokerUnderTest
  client: HttpClient
}

export type Check = (patient: Patient) => Finding | Promise<Finding>

export const pass = (seen: string): Finding => ({ status: 'pass', seen, advice: '' })
export const warn = (seen: string, advice: string): Finding => ({ status: 'warn', seen, advice })
export const fail = (seen: string, advice: string): Finding => ({ status: 'fail', seen, advice })
export const failOtherSide = (seen: string, advice: string): Finding => ({
  ...fail(seen, advice),
  otherSide: true,
})
export const skip = (seen: string, advice = ''): Finding => ({ status: 'skipped', seen, advice })

type ConfigCheck = (config: Config, patient: Patient) => Finding | Promise<Finding>
type BrokerCheck = (broker: BrokerUnderTest, patient: Patient) => Finding | Promise<Finding>

/** Skips a check that cannot be made without a usable configuration. */
export function needsConfig(check: ConfigCheck): Check {
  return (patient) =>
    patient.config === undefined
      ? skip('The configuration is not usable.', 'First fix the settings that the check "config" names.')
      : check(patient.config, patient)
}

export const noBroker = skip(
  'No broker address was given.',
  'Pass the public address of the broker with --url.',
)

/** Skips a check that cannot be made without the address of a broker that answers. */
export function needsBroker(check: BrokerCheck): Check {
  return (patient) => {
    const { broker } = patient
    if (broker === undefined) return noBroker
    if (broker.unreachable) return skip('The broker does not answer.', 'First fix "broker_reachable".')
    return check(broker, patient)
  }
}
