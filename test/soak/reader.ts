import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../sdk/testing/random.ts'
import type { Run } from './run.ts'

const MOST_PAUSE_MS = 250
/** The queries whose numbers only ever grow. */
const GROWING = [
  'counting/size',
  'asking/size',
  'notes/size',
  'fragile/totals',
  'eventDump/count',
  'video/totals',
  'activity/dailyAll',
]
/** What a query may answer beside its result: the plugin is paused just now, or the machine too busy. */
const ABSENT: ReadonlySet<number> = new Set([409, 504])

/** What a query said, and how far in the log it said that it reaches. */
export interface Observation {
  readonly query: string
  readonly position: number
  readonly value: unknown
}

/**
 * People who look while everything happens: no number of theirs ever falls, no money is on its way. What they
 * saw is kept, to be compared with the log in the end.
 */
export async function read(run: Run, random: Random, observations: Observation[]): Promise<void> {
  const latest = new Map<string, number>()
  while (!run.stopped) {
    await sleep(random.below(MOST_PAUSE_MS))
    if (random.chance(0.2)) await readMoney(run)
    else await readGrowing(run, random.pick(GROWING), latest, observations)
  }
}

async function readMoney(run: Run): Promise<void> {
  const { status, json } = await run.ask('/v1/queries/bank/sum')
  if (ABSENT.has(status)) return
  run.count('reads')
  if (status !== 200 || json.missing !== 0) run.problem(`bank/sum answered ${status} ${JSON.stringify(json)}`)
}

async function readGrowing(
  run: Run,
  query: string,
  latest: Map<string, number>,
  observations: Observation[],
) {
  const { status, json, headers } = await run.ask(`/v1/queries/${query}`)
  if (ABSENT.has(status)) return
  run.count('reads')
  if (status !== 200) {
    run.problem(`${query} answered ${status} ${JSON.stringify(json)}`)
    return
  }
  for (const [name, value] of numbersIn(json, query)) {
    const before = latest.get(name) ?? 0
    if (value < before) run.problem(`${name} fell from ${before} to ${value}`)
    latest.set(name, value)
  }
  observations.push({ query, position: Number(headers.get('lyceum-log-position')), value: json })
}

/** Every number in a result, by where it is: rows of a list by what they are about. */
function numbersIn(value: unknown, name: string): [string, number][] {
  if (typeof value === 'number') return [[name, value]]
  if (Array.isArray(value)) return value.flatMap((row) => numbersIn(row, `${name} ${textsIn(row)}`))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => numbersIn(inner, `${name}.${key}`))
}

function textsIn(row: unknown): string {
  return typeof row === 'object' && row !== null
    ? Object.values(row)
        .filter((value) => typeof value === 'string')
        .join('/')
    : ''
}
