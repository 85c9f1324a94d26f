import { bodyOf, isCsv, MOST_MB } from './body.ts'
import { HostError } from './error.ts'
import type { Delivered } from './send.ts'
import type { HostInfo, PluginInfo } from './types.ts'

/** What the answer to a query holds. @throws {HostError} answer_unreadable where that is no JSON; answer_too_large */
export async function jsonOf<Result>(answer: Response): Promise<Result> {
  const text = await textOf(answer)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw unreadable(answer, 'answered no JSON', cause)
  }
}

/** The text of a table. @throws {HostError} answer_unreadable where it is none; answer_too_large */
export async function csvOf(answer: Response): Promise<string> {
  if (isCsv(answer)) return textOf(answer)
  throw unreadable(answer, 'answered no CSV')
}

async function textOf(answer: Response): Promise<string> {
  const text = await bodyOf(answer)
  if (text !== undefined) return text
  throw new HostError(
    'answer_too_large',
    `${answer.url} answered more than ${MOST_MB} MB, which no Lyceum host does. Check the address.`,
    { status: answer.status },
  )
}

/** What a host tells of itself. @throws {HostError} answer_unreadable */
export async function hostInfoOf(answer: Response): Promise<HostInfo> {
  const told = await jsonOf<unknown>(answer)
  if (isHostInfo(told)) return told
  throw unreadable(answer, NOT_LYCEUM)
}

/** What became of events. @throws {HostError} answer_unreadable */
export async function deliveredOf(answer: Response): Promise<Delivered> {
  const told = await jsonOf<unknown>(answer)
  if (isDelivered(told)) return told
  throw unreadable(answer, NOT_LYCEUM)
}

const NOT_LYCEUM = 'answered, but not like a Lyceum host. Check the address'

function unreadable({ url, status }: Response, what: string, cause?: unknown): HostError {
  return new HostError('answer_unreadable', `${url} ${what}.`, { status, cause })
}

// By hand, since a client has no dependency: as far as what follows relies on it.

function isHostInfo(told: unknown): told is HostInfo {
  return (
    isObject(told) &&
    isListOf(told.plugins, isPlugin) &&
    isListOf(told.names, (name) => isObject(name) && typeof name.name === 'string')
  )
}

function isPlugin(told: unknown): told is PluginInfo {
  return (
    isObject(told) &&
    typeof told.id === 'string' &&
    isListOf(told.queries, (query) => isObject(query) && typeof query.name === 'string')
  )
}

function isDelivered(told: unknown): told is Delivered {
  return (
    isObject(told) &&
    typeof told.accepted === 'number' &&
    typeof told.duplicates === 'number' &&
    isListOf(told.rejected, (one) => isObject(one) && typeof one.index === 'number')
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isListOf(value: unknown, isOne: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isOne)
}
