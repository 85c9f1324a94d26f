import type { BySource, KnownEvents } from './types-edx.ts'
import type { KnownPlugins } from './types-plugins.ts'

/** A value as JSON has it. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** Fields that are known by no name: each may be there. */
export interface Fields {
  readonly [key: string]: Json | undefined
}

/** What the host worked out when the event arrived. */
export interface HostProps {
  /** The event's identity: an event that is delivered twice has the same. */
  readonly id: string
  /** `name`, else `event_type`: what `onEvent('…')` matches. */
  readonly type: string
  /** When it happened, by the sender's clock (ISO, UTC). */
  readonly time?: string
  /** When it arrived, by the host's clock (ISO, UTC). */
  readonly received: string
  /** The course key, from the context or else from the address. */
  readonly course?: string
  readonly user?: string
}

/** What is at `event.props`: what the host worked out, and what plugins derive and a handler asked for. */
export interface EventProps extends HostProps, Fields {}

/**
 * The types of derived properties, by the names under which handlers ask for them. Add yours:
 * `declare module '@lyceum/sdk' { interface DerivedProps { 'tincan.actor': { name: string } } }`
 */
// biome-ignore lint/suspicious/noEmptyInterface: authors add their own to it
export interface DerivedProps {}

/**
 * The derived properties that there are, as far as `lyceum types` found them. Until a host was asked, a handler may
 * ask for others, too.
 */
// biome-ignore lint/suspicious/noEmptyInterface: generated types add to it
export interface KnownProps {}

type DerivedValue<Name> = Name extends keyof DerivedProps
  ? DerivedProps[Name]
  : Name extends keyof KnownProps
    ? KnownProps[Name]
    : Json

/** The names that a handler may ask for, each held to what there is once a host was asked. */
export type CheckedProps<P extends readonly string[]> = keyof KnownPlugins extends never
  ? P
  : {
      readonly [Index in keyof P]: P[Index] extends keyof KnownProps | keyof DerivedProps
        ? P[Index]
        : NoSuchProperty
    }

/** No plugin provides a property of this name, as far as `lyceum types` found. */
export interface NoSuchProperty {
  readonly known: keyof KnownProps
}

type KeyOf<Name extends string> = Name extends `${infer Namespace}.${string}` ? Namespace : Name

type OwnIn<Name extends string, Namespace extends string> = Name extends `${Namespace}.${infer Own}`
  ? Own
  : never

/** Derived properties as they stand in `event.props`. Each may be missing: no plugin may know it of this event. */
export type PropsOf<Name extends string> = {
  readonly [Key in KeyOf<Name>]?: Key extends Name
    ? DerivedValue<Key>
    : { readonly [Own in OwnIn<Name, Key>]?: DerivedValue<`${Key}.${Own}`> }
}

/** An event with the derived properties that a handler asked for. */
export type WithProps<E, P extends readonly string[]> = [P[number]] extends [never]
  ? E
  : E extends unknown
    ? Omit<E, 'props'> & { readonly props: HostProps & PropsOf<P[number]> }
    : never

/** The `context` of an edX event: where it happened. */
export interface EventContext extends Fields {
  readonly course_id?: string
  readonly org_id?: string
  /** A number or a string, or blank where nobody was signed in. */
  readonly user_id?: string | number | null
  readonly path?: string
}

/**
 * One event: its keys as the LMS sent them, which no handler can change, and `props`, which the host added.
 * Everything but `props` comes from outside and may be missing.
 */
export interface LmsEvent<Payload = Fields> {
  readonly event_type?: string
  readonly name?: string
  readonly time?: string
  readonly timestamp?: string
  readonly username?: string
  readonly event_source?: 'browser' | 'mobile' | 'server' | 'task'
  readonly session?: string | null
  readonly page?: string | null
  readonly host?: string
  readonly ip?: string
  readonly agent?: string
  readonly referer?: string
  readonly accept_language?: string
  readonly context: EventContext
  /** What the event is about. */
  readonly event: Payload
  readonly props: EventProps
}

/** The event that a type names: with its own payload where the type is known. */
export type EventOf<K extends string> = K extends keyof KnownEvents ? Sent<KnownEvents[K]> : LmsEvent

type Sent<Payload> =
  Payload extends BySource<infer Server, infer Browser>
    ?
        | (LmsEvent<Server> & { readonly event_source?: 'server' })
        | (LmsEvent<Browser> & { readonly event_source?: 'browser' })
    : LmsEvent<Payload>

type Scalar = string | number | boolean | null

/** What a filter may ask of one field. A list is short for `$in`. */
export type EventCondition =
  | Scalar
  | readonly Scalar[]
  | {
      readonly $eq?: Scalar
      readonly $ne?: Scalar
      readonly $in?: readonly Scalar[]
      readonly $exists?: boolean
      readonly $gt?: string | number
      readonly $gte?: string | number
      readonly $lt?: string | number
      readonly $lte?: string | number
      readonly $not?: EventCondition
    }

/**
 * Which events a handler gets: fields by name (`'context.course_id'` reaches inside, five levels at most), all
 * of which must match; `$and`, `$or` and `$not` combine filters. At most 64 conditions.
 */
export interface EventWhere {
  readonly $and?: readonly EventWhere[]
  readonly $or?: readonly EventWhere[]
  readonly $not?: EventWhere
  readonly [field: string]: EventCondition | EventWhere | readonly EventWhere[] | undefined
}

/** A filter's fields, each held to what a filter may ask of one. */
export type CheckedWhere<W> = {
  readonly [K in keyof W]: K extends '$and' | '$or'
    ? readonly EventWhere[]
    : K extends '$not'
      ? EventWhere
      : K extends `$${string}`
        ? never
        : W[K] extends EventCondition
          ? W[K]
          : 'a field takes a value, a list, or $eq $ne $in $exists $gt $gte $lt $lte $not'
}

/**
 * The events that a filter lets through, as far as it names their types and their source. Where it names several, a
 * look at `event.event_type` tells which of them it is.
 */
export type EventsOf<W> = Narrowed<
  W extends { readonly event_type: infer Asked }
    ? NamedBy<'event_type', WordsOf<Asked>>
    : W extends { readonly name: infer Asked }
      ? NamedBy<'name', WordsOf<Asked>>
      : W extends { readonly 'props.type': infer Asked }
        ? NamedBy<never, WordsOf<Asked>>
        : LmsEvent,
  W extends { readonly event_source: infer Asked } ? WordsOf<Asked> : never
>

/** The texts of which a condition lets one through; `never` for any other condition. */
type WordsOf<Asked> = Asked extends string
  ? Asked
  : Asked extends readonly (infer Word)[]
    ? Extract<Word, string>
    : Asked extends { readonly $in: infer List }
      ? WordsOf<List>
      : Asked extends { readonly $eq: infer Word }
        ? WordsOf<Word>
        : never

type NamedBy<Field extends 'event_type' | 'name', Words extends string> = [Words] extends [never]
  ? LmsEvent
  : Words extends string
    ? EventOf<Words> & { readonly [F in Field]: Words }
    : never

type Narrowed<Event, Source extends string> = [Source] extends [never]
  ? Event
  : Event & { readonly event_source: Source }
