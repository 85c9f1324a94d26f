import type { Doc, Kept, Row } from './kept.ts'

/** What a plugin's file must hold at the end. */
export interface Book {
  readonly documents: Readonly<Record<string, ReadonlyMap<unknown, Doc>>>
  /** `HANDLER SEQ` of each event that fails. */
  readonly letters?: ReadonlySet<string>
  readonly handlers: readonly string[]
  /** What else must hold, where not every document is known. */
  readonly also?: (kept: Kept) => string[]
}

const of = (rows: readonly Row[], ...types: readonly string[]) =>
  rows.filter(({ type }) => types.includes(type))
const byId = (docs: readonly Doc[]): Map<unknown, Doc> => new Map(docs.map((doc) => [doc._id, doc]))

/** How often each comes, as documents `{ _id, n }`. */
function counts(ids: readonly string[]): Map<unknown, Doc> {
  return byId([...Map.groupBy(ids, (id) => id)].map(([_id, { length: n }]) => ({ _id, n })))
}

function chain(_id: string, rows: readonly Row[]): Doc {
  return { _id, n: rows.length, hash: rows.reduce((hash, { n }) => (hash * 31 + n) % 1_000_003, 7) }
}

function counting(rows: readonly Row[]): Book {
  const plays = of(rows, 'play_video')
  const live = of(rows, 'play_video', 'problem_check')
  const later = rows.filter(({ type, n }) => n >= 100 && type !== 'play_video')
  const stepped = rows.filter(({ type, n }) => n < 50 || type === 'pause_video')
  const totals = { loop: plays, atOnce: live, later, step: stepped, everything: rows }
  return {
    documents: {
      keys: counts(plays.flatMap(({ n }) => [0, 1, 2, 3, 4].map((at) => `k${(n * 7 + at) % 200}`))),
      totals: byId(Object.entries(totals).map(([_id, { length: n }]) => ({ _id, n }))),
      live: byId(live.map(({ n: _id }) => ({ _id }))),
      types: counts(rows.map(({ type }) => type)),
      chains: byId([
        chain('atOnce', live),
        chain('later', later),
        chain('step', stepped),
        chain('sometimes', of(rows, 'seek_video')),
      ]),
    },
    handlers: ['loop', 'atOnce', 'later', 'step', 'everything', 'sometimes'],
    also: (kept) => {
      const versions = [...kept.documents('versions').values()]
      const handled = versions.reduce((sum, { n }) => sum + Number(n), 0)
      return handled === plays.length ? [] : [`all versions together counted ${handled} of ${plays.length}`]
    },
  }
}

function bank(rows: readonly Row[]): Book {
  const accounts = new Map<string, { _id: string; balance: number; moves: number }>()
  const account = (_id: string) => accounts.getOrInsertComputed(_id, () => ({ _id, balance: 100, moves: 0 }))
  let moved = 0
  const entries = of(rows, 'transfer').map(({ n, event }) => {
    const [from, to, amount] = [String(event.from), String(event.to), Number(event.amount)]
    const [payer, payee] = [account(from), account(to)]
    const refused = payer.balance < amount
    if (!refused) {
      payer.balance -= amount
      payer.moves += 1
      payee.balance += amount
      payee.moves += 1
      moved += amount
    }
    return { _id: n, from, to, amount, refused }
  })
  const members = new Map<unknown, Doc>()
  const letters = new Set<string>()
  const mails = new Set<unknown>()
  for (const { seq, n, event } of of(rows, 'join')) {
    if (mails.has(event.mail)) letters.add(`join ${seq}`)
    else members.set(n, { _id: n, mail: event.mail })
    mails.add(event.mail)
  }
  return {
    documents: {
      accounts,
      entries: byId(entries),
      members,
      totals: byId([
        { _id: 'moved', n: moved },
        { _id: 'joined', n: members.size },
      ]),
    },
    letters,
    handlers: ['transfer', 'join'],
  }
}

function fragile(rows: readonly Row[]): Book {
  const tasks = of(rows, 'task')
  const good = tasks.filter(({ event }) => event.bad === undefined || event.bad === 'fixable')
  const bad = tasks.filter((row) => !good.includes(row))
  const handlers = ['batch', 'each']
  return {
    documents: {
      done: byId(handlers.flatMap((handler) => good.map(({ n }) => ({ _id: `${handler}/${n}` })))),
      totals: byId(handlers.map((_id) => ({ _id, n: good.length }))),
    },
    letters: new Set(handlers.flatMap((handler) => bad.map(({ seq }) => `${handler} ${seq}`))),
    handlers,
  }
}

function sessions(rows: readonly Row[]): Book {
  const open = new Map<unknown, Doc>()
  for (const { type, n, event } of rows) {
    if (type === 'session_open') open.set(event.session, { _id: event.session, room: event.room, opened: n })
    else if (type === 'session_close') open.delete(event.session)
    else if (type === 'room_close')
      for (const [session, { room }] of open) if (room === event.room) open.delete(session)
  }
  const letters = of(rows, 'session_open').map(({ n }) => ({ _id: n, weight: n % 10 }))
  return {
    documents: { sessions: open },
    handlers: ['follow', 'collect'],
    also: (kept) => {
      const inbox = kept.documents('inbox')
      const swept = letters.filter(({ _id }) => !inbox.has(_id))
      const weight = swept.reduce((sum, letter) => sum + letter.weight, 0)
      const all = kept.documents('swept').get('all') ?? { letters: 0, weight: 0, runs: 0 }
      const found = kept.documents('runs').size
      return [
        ...(inbox.size + swept.length === letters.length ? [] : ['the inbox has letters that never came']),
        ...(all.letters === swept.length && all.weight === weight
          ? []
          : [`${JSON.stringify(all)} were swept, and ${swept.length} letters of weight ${weight} are gone`]),
        ...(all.runs === found ? [] : [`the job ran ${all.runs} times and wrote ${found} times`]),
      ]
    },
  }
}

function asking(rows: readonly Row[]): Book {
  return {
    documents: { asked: byId(of(rows, 'question').map(({ n }) => ({ _id: n, answer: 2 * n }))) },
    handlers: ['ask'],
  }
}

function notes(rows: readonly Row[]): Book {
  const notes = of(rows, 'note')
  const kept = notes.filter(({ n }) => n % 10 !== 0)
  const bulk = [...Map.groupBy(of(rows, 'note', 'question'), ({ type }) => type)].map(([_id, found]) => ({
    _id,
    n: found.length,
    last: Math.max(...found.map(({ n }) => n)),
  }))
  return {
    documents: {
      notes: byId(kept.map(({ n, type, props }) => ({ _id: n, text: `${props.id} ${type}` }))),
      tally: byId([{ _id: 'all', inserted: notes.length, deleted: notes.length - kept.length }]),
      bulk: byId(bulk),
    },
    handlers: ['keep', 'bulk', 'sinceNow'],
    // Where it began nobody knows, but from there on it has everything.
    also: (file) => {
      const recent = file.documents('recent')
      const begin = notes.findIndex(({ n }) => recent.has(n))
      const since = begin < 0 ? [] : notes.slice(begin)
      return since.length === recent.size && since.every(({ n }) => recent.has(n))
        ? []
        : [`sinceNow has ${recent.size} notes of ${since.length} since its first`]
    },
  }
}

const VIDEO_COUNTS: Readonly<Record<string, string>> = {
  play_video: 'plays',
  pause_video: 'pauses',
  seek_video: 'seeks',
}

function video(rows: readonly Row[]): Book {
  const watched = of(rows, ...Object.keys(VIDEO_COUNTS))
  const byVideo = Map.groupBy(watched, ({ event, props }) => JSON.stringify([props.course, event.id]))
  const videos = [...byVideo].map(([_id, found]) => {
    const [course, video] = JSON.parse(_id)
    const tally: Record<string, number> = { plays: 0, pauses: 0, seeks: 0 }
    for (const { type } of found) {
      const counted = VIDEO_COUNTS[type] ?? ''
      tally[counted] = (tally[counted] ?? 0) + 1
    }
    return { _id, course, video, ...tally }
  })
  return { documents: { videos: byId(videos) }, handlers: ['count'] }
}

function activity(rows: readonly Row[]): Book {
  const presences = new Map<string, { _id: string; course: string; day: string }>()
  for (const { props } of rows) {
    const day = (props.time ?? props.received ?? '').slice(0, 10)
    for (const course of [props.course ?? '', '']) {
      const _id = JSON.stringify([course, day, props.user])
      presences.set(_id, { _id, course, day })
    }
  }
  const days = [...Map.groupBy(presences.values(), ({ course, day }) => JSON.stringify([course, day]))]
  return {
    documents: {
      presences,
      days: byId(
        days.map(([_id, learners]) => {
          const [course, day] = JSON.parse(_id)
          return { _id, learners: learners.length, course, day }
        }),
      ),
    },
    handlers: ['record'],
  }
}

function eventDump(rows: readonly Row[]): Book {
  const kept = rows.map(({ props, text }) => ({
    _id: props.id,
    order: `${props.received} ${props.time ?? ''}`,
    json: JSON.stringify(JSON.parse(text)),
  }))
  return {
    documents: { events: byId(kept), types: counts(rows.map(({ type }) => type)) },
    handlers: ['keep'],
  }
}

/** By plugin: what its file must hold, counted from the log alone. */
export const BOOKS: ReadonlyMap<string, (rows: readonly Row[]) => Book> = new Map([
  ['counting', counting],
  ['bank', bank],
  ['fragile', fragile],
  ['sessions', sessions],
  ['asking', asking],
  ['notes', notes],
  ['video', video],
  ['activity', activity],
  ['eventDump', eventDump],
])
