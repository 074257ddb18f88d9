import { causeOf, explainedCodes } from '../../public/causes.js'
import { eventOutcomes, outcomes } from '../../src/outcomes.ts'
import { problemCodes, refusalOf, type ProblemCode } from '../../src/problems.ts'

const intro =
  'Every refusal is `application/problem+json` (RFC 9457) with a stable `code`. The log line of the request ' +
  'has the same `code` and `requestId`, and often an `outcome` that says more. Retry only after a 429 or ' +
  '503, and wait for the number of seconds in `Retry-After` first.\n\nThe log has one more code: `client_closed`, with status 499, if the client disconnected before the answer.'

const ofBridge =
  'The bridge itself reports these codes in the console, in its events and on the broker’s page. If a proxy in ' +
  'front of the broker answers without a code, the bridge uses `http_` and the status, such as `http_502`.'

const ofEvents =
  'Some log lines do not belong to a request and have an `event`. Outcomes that begin with `redis_` mean the ' +
  'same as under [`session_source_unavailable`](#session_source_unavailable).'

/** `docs/problems.md`, generated from the texts of the broker and of its page. */
export function renderProblems(): string {
  const own = explainedCodes.filter((code) => !(problemCodes as string[]).includes(code))
  const parts = [
    '# Problems',
    intro,
    renderTable(['status', 'code'], renderIndex()),
    ...problemCodes.map(renderProblem),
    '## Codes of the bridge',
    ofBridge,
    renderTable(
      ['code', 'why', 'what to do'],
      own.map((code) => [`\`${code}\``, markNames(causeOf(code).say), markNames(causeOf(code).fix)]),
    ),
    '## Outcomes of other log lines',
    ofEvents,
    renderTable(['event', 'outcome', 'meaning'], renderEvents()),
  ]
  return `${parts.join('\n\n')}\n`
}

function renderIndex(): string[][] {
  const statuses = [...new Set(problemCodes.map((code) => refusalOf(code).status))]
  return statuses.map((status) => {
    const codes = problemCodes.filter((code) => refusalOf(code).status === status)
    return [String(status), codes.map((code) => `[\`${code}\`](#${code})`).join(', ')]
  })
}

function renderProblem(code: ProblemCode): string {
  const { status, detail } = refusalOf(code)
  const { say, fix } = causeOf(code)
  const words: Record<string, string> = code in outcomes ? outcomes[code as keyof typeof outcomes] : {}
  const rows = Object.entries(words).map(([word, meaning]) => [`\`${word}\``, markNames(meaning)])
  const parts = [
    `## ${code}`,
    `Status ${status}: “${markNames(detail)}”`,
    [
      `- **Why:** ${markNames(say)}`,
      `- **What the user sees:** ${effectOf(status)}`,
      `- **What to do:** ${markNames(fix)}`,
    ].join('\n'),
    ...(rows.length > 0 ? [renderTable(['outcome', 'meaning'], rows)] : []),
  ]
  return parts.join('\n\n')
}

function effectOf(status: number): string {
  if (status === 401)
    return 'Widgets wait for a sign-in. The page gets the event `returning-ai:signed-out`. After a sign-in, it must call `returningAI.refresh()` or reload.'
  if (status === 429 || status === 503)
    return 'Widgets that have a token continue. Others wait, while the bridge tries again by itself.'
  return 'Widgets get no token. The page gets the event `returning-ai:error`, and the bridge does not try again by itself.'
}

function renderEvents(): string[][] {
  return Object.entries(eventOutcomes).flatMap(([event, words]) =>
    Object.entries(words).map(([word, meaning]) => [`\`${event}\``, `\`${word}\``, markNames(meaning)]),
  )
}

/** Settings, attributes, functions and claims, as code. */
function markNames(text: string): string {
  return text.replaceAll(/\b(?:[A-Z]+_[A-Z_]+|data-[a-z-]+|claim_[a-z]+|returningAI\.\w+\(\))(?!\w)/g, '`$&`')
}

function renderTable(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
