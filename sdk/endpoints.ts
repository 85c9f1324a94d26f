import type { ParamsSchema } from './t.ts'
import type {
  Awaitable,
  CollectionOptions,
  CronContext,
  CronOptions,
  OnEventContext,
  OnEventOptions,
  PropertyContext,
  PropertyOptions,
  PropertyResult,
  QueryContext,
  QueryOptions,
  QueryResult,
  ViewContext,
  ViewOptions,
  ViewResult,
} from './types.ts'
import type { EventOf, EventsOf, EventWhere, WithProps } from './types-events.ts'

/** Marks what the functions below return, so that the runtime knows it among a plugin's exports. */
const ENDPOINT = Symbol.for('lyceum.endpoint')

/** What an endpoint's function returns: a plain record that the runtime reads from the plugin's exports. */
export interface Endpoint<K extends string> {
  readonly kind: K
  readonly options: unknown
  readonly handler?: Handler
}

declare const result: unique symbol

/** What {@link view} makes. */
export type View = Endpoint<'view'>
/** A query, and only in the types what it resolves with. */
export interface Query<Result = unknown> extends Endpoint<'query'> {
  readonly [result]?: () => Result
}
/** What {@link onEvent} makes. */
export type OnEvent = Endpoint<'onEvent'>
/** What {@link cron} makes. */
export type Cron = Endpoint<'cron'>
/** A property, and only in the types what it comes to. */
export interface Property<Result = unknown> extends Endpoint<'property'> {
  readonly [result]?: () => Result
}
/** What {@link collection} makes. */
export type CollectionDeclaration = Endpoint<'collection'>

type Handler = (context: never) => unknown
type QueryHandler<P extends ParamsSchema = Record<never, never>> = (
  context: QueryContext<P>,
) => Awaitable<QueryResult>

/**
 * A page, or a part of one: what the handler returns is shown in a frame of its own.
 * It reads; it never writes to `db`.
 *
 * @example export const greet = view(({ user }) => html`<h1>Hello ${user}</h1>`)
 * @example export const popular = view(async ({ plugins: { self }, course }) =>
 *   [html`<h2>This week</h2>`, chart.bar(await self.top({ course }), { x: 'video', y: 'n' })])
 */
export function view(handler: (context: ViewContext) => Awaitable<ViewResult>): View
export function view<const P extends ParamsSchema = Record<never, never>>(
  options: ViewOptions<P>,
  handler: (context: ViewContext<P>) => Awaitable<ViewResult>,
): View
export function view(...given: readonly unknown[]): View {
  return endpoint('view', given)
}

/**
 * A question that answers with data: at `GET /v1/queries/PLUGIN/NAME`, and to other plugins.
 * It reads; it never writes to `db`.
 *
 * @example export const top = query(({ db, course }) => db.collection('plays').find({ course }).toArray())
 */
export function query<H extends QueryHandler>(handler: H): Query<Awaited<ReturnType<H>>>
export function query<
  const P extends ParamsSchema = Record<never, never>,
  H extends QueryHandler<P> = QueryHandler<P>,
>(options: QueryOptions<P>, handler: H): Query<Awaited<ReturnType<H>>>
export function query(...given: readonly unknown[]): Query {
  return endpoint('query', given)
}

/**
 * Runs on events as they come in: every event that matches, exactly once. A string in place of the options is
 * the type of event. Ask for `events`, a batch, or for `event`, to be called for each.
 *
 * @example export const count = onEvent('play_video', ({ event, db }) =>
 *   db.collection('plays').updateOne({ _id: event.event.id }, { $inc: { n: 1 } }, { upsert: true }))
 */
export function onEvent(handler: (context: OnEventContext) => unknown): OnEvent
export function onEvent<const K extends string>(
  type: K,
  handler: (context: OnEventContext<EventOf<K>>) => unknown,
): OnEvent
export function onEvent<
  const W extends EventWhere = Record<never, never>,
  const P extends readonly string[] = readonly [],
>(
  options: OnEventOptions<W, P>,
  handler: (context: OnEventContext<WithProps<EventsOf<W>, P>>) => unknown,
): OnEvent
export function onEvent(...given: readonly unknown[]): OnEvent {
  return endpoint('onEvent', given)
}

/**
 * Derives a property of events, for handlers that ask for it: `event.props.actor`, or `event.props.tincan.actor`
 * with a namespace. Where several plugins provide the same, the one whose `when` matches an event is called. It is
 * worked out from the event alone, at once, and may be worked out again: the same event has to give the same.
 *
 * **Common mistake:** leaving `when` out, so that it is called for the events of every LMS.
 *
 * @example export const actor = property(
 *   { namespace: 'tincan', when: { 'context.course_id': { $exists: true } } },
 *   ({ event }) => ({ name: event.username }))
 */
export function property<R extends PropertyResult>(handler: (context: PropertyContext) => R): Property<R>
export function property<
  const W extends EventWhere = Record<never, never>,
  R extends PropertyResult = PropertyResult,
>(options: PropertyOptions<W>, handler: (context: PropertyContext<EventsOf<W>>) => R): Property<R>
export function property(...given: readonly unknown[]): Property {
  return endpoint('property', given)
}

/**
 * Runs on a schedule, in UTC. A string in place of the options is the schedule: minute, hour, day of the month,
 * month, day of the week.
 *
 * @example export const tidy = cron('0 4 * * *', ({ db }) => db.collection('plays').deleteMany({ n: { $lt: 2 } }))
 */
export function cron(schedule: string | CronOptions, handler: (context: CronContext) => unknown): Cron {
  return endpoint('cron', [schedule, handler])
}

/**
 * Declares the indexes of one of the plugin's collections, and who else may read it. The export's name is the
 * collection's.
 *
 * @example export const plays = collection({ indexes: [{ course: 1, n: -1 }], read: ['report'] })
 *
 * **Common mistake:** taking `read` for a query. Whoever may read a collection sees all of it, whoever asks; a
 * query answers each person with what is theirs.
 */
export function collection(options: CollectionOptions): CollectionDeclaration {
  return Object.freeze({ [ENDPOINT]: true, kind: 'collection', options })
}

/** The host checks the options, which it knows how to explain; only a missing handler is said here. */
function endpoint<K extends string>(kind: K, given: readonly unknown[]): Endpoint<K> {
  const handler = given.at(-1)
  if (!isHandler(handler)) throw new TypeError(`${kind} needs a handler, a function, as its last argument.`)
  return Object.freeze({ [ENDPOINT]: true, kind, options: given.length > 1 ? given[0] : undefined, handler })
}

function isHandler(candidate: unknown): candidate is Handler {
  return typeof candidate === 'function'
}
