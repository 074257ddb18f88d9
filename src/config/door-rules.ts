import { isGiven, required, type Environment, type Fault } from './files.ts'

const signinNames = ['WIDGET_COMMUNITY_ID', 'WIDGET_API_KEY']
const accessKeyNames = ['RAI_ACCESS_ID', 'RAI_ACCESS_KEY']
const identifiersName = 'RAI_USER_IDENTIFIERS'

/**
 * Finds what is missing for a door of the vendor. At least one door must be configured, and each one whole.
 */
export function findDoorConflicts(values: Environment): Fault[] {
  const hasAccessKey = accessKeyNames.some((name) => isGiven(values, name))
  const hasSignin = ['WIDGET_API_KEY', 'WIDGET_API_KEYS'].some((name) => isGiven(values, name))
  return [
    ...(hasAccessKey ? findAccessKeyFaults(values) : findLoneIdentifiers(values)),
    ...(hasSignin || !hasAccessKey ? required(values, signinNames, 'is required') : []),
  ]
}

function findAccessKeyFaults(values: Environment): Fault[] {
  const needsSubjectKey = !isGiven(values, 'WIDGET_API_KEY')
  return [
    ...required(values, [...accessKeyNames, identifiersName], 'is required for Access Key Embed'),
    ...(needsSubjectKey ? required(values, ['SUBJECT_KEY'], 'is required without WIDGET_API_KEY') : []),
  ]
}

function findLoneIdentifiers(values: Environment): Fault[] {
  const message = 'needs RAI_ACCESS_ID and RAI_ACCESS_KEY'
  return isGiven(values, identifiersName) ? [{ name: identifiersName, message }] : []
}
