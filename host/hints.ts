import { DIMENSIONS, FACILITIES, KINDS, nearest, SDK_VALUES } from './registry/manifest-names.ts'

/** No message of V8 that is meant here is longer. */
const MESSAGE_CHARS = 300

const NO_NETWORK =
  'A plugin has no network. Read an LMS’s databases by `replica`, or have the data sent in as events.'
const NO_TIMER = 'A plugin has no timers: what is to happen later is a cron job, and calls are awaited.'
const NO_PAGE =
  'A plugin runs in the host, not in the reader’s browser: what it needs of the page comes as dimensions and params, and a view returns html`…`.'
const NO_MODULES = "Import at the top of the file instead: import { mean } from 'simple-statistics'."
const NO_EXPORTS = 'Export each endpoint by its name instead: `export const hello = view(…)`.'
const BASE64 = 'Use Uint8Array.fromBase64(text) and bytes.toBase64() (or fromHex, toHex) instead.'
const BARE = 'A plugin has what JavaScript has, and nothing of Node’s or a browser’s.'

/** What authors expect to be there, because Node or a browser has it. */
const ABSENT: ReadonlyMap<string, string> = new Map([
  ...each(['fetch', 'XMLHttpRequest', 'WebSocket', 'EventSource', 'Request', 'Response'], NO_NETWORK),
  ...each(['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'queueMicrotask'], NO_TIMER),
  ...each(
    ['window', 'document', 'navigator', 'localStorage', 'sessionStorage', 'location', 'alert'],
    NO_PAGE,
  ),
  ...each(['require', '__dirname', '__filename'], NO_MODULES),
  ...each(['module', 'exports'], NO_EXPORTS),
  ...each(['Buffer', 'atob', 'btoa'], BASE64),
  ['React', 'What stands in angle brackets is JSX, which a plugin has not: a view returns html`<p>…</p>`.'],
  ['ISODate', "Write new Date('2026-09-01')."],
  ...each(
    ['process', 'global', 'Bun', 'Deno'],
    'A plugin runs in no process and has no environment: take what varies as a parameter (params), or write it into the file.',
  ),
  ...each(
    ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'Worker'],
    'It is taken away from plugins, because it escapes their limits. Use a package that is only JavaScript.',
  ),
  ...each(
    [
      'URL',
      'URLSearchParams',
      'TextEncoder',
      'TextDecoder',
      'crypto',
      'structuredClone',
      'performance',
      'AbortController',
    ],
    BARE,
  ),
])

/** What to do in place of a global that Node or a browser has, and no plugin; undefined for any other name. */
export function absentHint(name: string): string | undefined {
  return ABSENT.get(name)
}

const FACILITY_NAMES: readonly string[] = [
  ...new Set<string>(Object.values(FACILITIES).flat()),
  ...DIMENSIONS,
]
const SDK_NAMES: readonly string[] = [...KINDS, ...SDK_VALUES]
const COLLECTION_METHODS = [
  'find',
  'findOne',
  'aggregate',
  'countDocuments',
  'estimatedDocumentCount',
  'distinct',
  'insertOne',
  'insertMany',
  'updateOne',
  'updateMany',
  'replaceOne',
  'deleteOne',
  'deleteMany',
  'bulkWrite',
] as const
const PARAMETERS = ['string', 'number', 'boolean', 'date', 'enum'] as const
const LOGS = ['debug', 'info', 'warn', 'error'] as const
const CHARTS = ['bar', 'line', 'area', 'heatmap', 'histogram', 'timeline', 'spec'] as const
const CURSOR_METHODS = [
  'toArray',
  'sort',
  'limit',
  'skip',
  'project',
  'forEach',
  'next',
  'hasNext',
  'close',
] as const
const LIST_METHODS: ReadonlySet<string> = new Set([
  'map',
  'filter',
  'reduce',
  'slice',
  'join',
  'find',
  'some',
  'every',
  'includes',
  'flatMap',
  'at',
  'concat',
  'length',
  'entries',
  'toSorted',
  'forEach',
  'push',
])

const CALL = /^(.*)\.([\w$]+) is not a function$/
const READ =
  /Cannot (?:read properties of|destructure property '([\w$]+)' of .{0,80} as it is) (undefined|null)(?: \(reading '([\w$]+)'\))?/

/**
 * What to do about a usual mistake that V8 has only its own words for.
 *
 * @param message the message of an error that a plugin threw
 * @returns one or two sentences; undefined where the message is not one of those
 */
export function hintFor(message: string): string | undefined {
  if (message.length > MESSAGE_CHARS) return undefined
  const said = message.replace(/^(?:The plugin does not load: )?(?:\w*Error: )?/, '')
  const absent = /^([\w$]+) is not defined$/.exec(said)?.[1]
  if (absent !== undefined) return ofAbsent(absent)
  const [, before = '', method] = CALL.exec(said) ?? []
  if (method !== undefined) return ofMethod(before, method)
  const [isRead, destructured, nothing = '', read = destructured] = READ.exec(message) ?? []
  if (isRead !== undefined) return ofNothing(nothing, read ?? '')
  return USUAL.find(([pattern]) => pattern.test(message))?.[1]
}

const USUAL: readonly (readonly [RegExp, string])[] = [
  [
    /is not (?:async )?iterable$/,
    'A cursor is read by `for await (const row of cursor)`, or as a list by `await cursor.toArray()`; a promise has to be awaited first.',
  ],
  [
    /Converting circular structure to JSON/,
    'Return data that does not hold itself: pick the fields that are needed.',
  ],
  [/Do not know how to serialize a BigInt/, 'JSON has no BigInt: return Number(n) or String(n).'],
  [
    /(?:Cannot assign to read only property|object is not extensible|Cannot delete property)/,
    'Events and what the host gives are not to be changed: make a copy, such as { ...event, n: 1 }.',
  ],
  [
    /Maximum call stack size exceeded/,
    'A function calls itself too deeply: look for a recursion without an end.',
  ],
  [
    /Invalid (?:string|array|typed array) length/,
    'Nothing that large fits into a plugin: keep less at a time.',
  ],
]

function ofAbsent(name: string): string | undefined {
  const known = ABSENT.get(name)
  if (known !== undefined) return known
  if (FACILITY_NAMES.includes(name))
    return `What a handler uses it has to name: destructure it, ({ ${name} }) => …; a function beside it gets it as an argument.`
  if (SDK_NAMES.includes(name)) return `Import it: import { ${name} } from '@lyceum/sdk'.`
  const near = nearest(name, [...FACILITY_NAMES, ...SDK_NAMES])
  return near === undefined ? undefined : `Did you mean \`${near}\`?`
}

function ofMethod(before: string, method: string): string | undefined {
  if (before === 'db')
    return COLLECTION_METHODS.some((known) => known === method)
      ? `A collection comes first: db.collection('plays').${method}(…).`
      : "Of db there is collection alone: db.collection('plays'). It is made when something is written, and its indexes are declared: export const plays = collection({ indexes: [ … ] })."
  if (before === 'chart') return offer('`chart`', method, CHARTS)
  if (before === 't') return offer('`t`', method, PARAMETERS)
  if (before === 'log') return offer('`log`, which is called itself, too,', method, LOGS)
  if (/\.collection$|collection\(\.\.\.\)$/.test(before))
    return offer('A collection', method, COLLECTION_METHODS)
  if (
    /\.(?:find|aggregate|sort|limit|skip|project)(?:\(\.\.\.\))?$/.test(before) &&
    !LIST_METHODS.has(method)
  )
    return offer('A cursor', method, CURSOR_METHODS)
  if (LIST_METHODS.has(method) || method === 'toArray')
    return `If it is a cursor, it becomes a list by \`await … .toArray()\`; if it is a promise, such as what a query of another plugin gives, await it first.`
  return undefined
}

function offer(what: string, method: string, known: readonly string[]): string {
  const near = nearest(method, known) ?? known.find((name) => method.startsWith(name))
  return `${near === undefined ? '' : `Did you mean \`${near}\`? `}${what} has ${known.join(', ')}.`
}

function ofNothing(nothing: string, read: string): string {
  if (COLLECTION_METHODS.some((method) => method === read) && nothing === 'undefined')
    return `A collection is asked for by its name: db.collection('plays').${read}(…).`
  return nothing === 'null'
    ? `What stands before \`.${read}\` is null, as findOne gives where nothing matches: test for it, or write \`?.${read}\`.`
    : `What stands before \`.${read}\` is undefined: not every event or document has it, so test for it, or write \`?.${read}\`.`
}

function each(names: readonly string[], hint: string): [string, string][] {
  return names.map((name) => [name, hint])
}
