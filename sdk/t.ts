declare const value: unique symbol

/**
 * One parameter of a view or query: plain data by which the host reads requests.
 * It must be given, unless it has a `default` or is {@link Param.optional}.
 */
export class Param<T> {
  /** Only in the types: what the handler gets. */
  declare readonly [value]?: () => T
  readonly type: 'string' | 'number' | 'boolean' | 'date' | 'enum'

  constructor(type: Param<T>['type'], rules: object) {
    if (typeof rules !== 'object' || rules === null)
      throw new TypeError(
        `t.${type} takes an object, not ${JSON.stringify(rules)}. A default is written t.${type}({ default: … }).`,
      )
    this.type = type
    Object.freeze(Object.assign(this, rules))
  }

  /** The same parameter, which may be left out: the handler then gets `undefined`. */
  optional(): Param<T | undefined> {
    return new Param<T | undefined>(this.type, { ...this, required: false })
  }
}

/** The parameters of a view or query, by name. */
export type ParamsSchema = Readonly<Record<string, Param<unknown>>>

/** What a handler gets: `{ limit: t.number({ default: 10 }) }` becomes `{ limit: number }`. */
export type ParamValues<S extends ParamsSchema> = {
  readonly [K in keyof S]: S[K] extends Param<infer T> ? T : never
}

/** What `t.string` may be told. */
export interface StringRules {
  readonly default?: string
  /** The most characters; 1,000 unless told. */
  readonly max?: number
}

/** What `t.number` may be told. */
export interface NumberRules {
  readonly default?: number
  readonly min?: number
  readonly max?: number
  readonly integer?: boolean
}

function timeOf(given: Date | string): string {
  const time = new Date(given)
  if (!Number.isNaN(time.getTime())) return time.toISOString()
  throw new TypeError(
    `t.date: the default ${JSON.stringify(given)} is no time. Write a day, such as 2026-09-01; for what depends on the day of the request, t.date().optional(), and take now() in the handler.`,
  )
}

/**
 * The parameters that a view or query takes from its address, for its option `params`.
 *
 * @example query({ params: { from: t.date().optional(), limit: t.number({ default: 10, max: 100 }) } },
 *   ({ db, params }) => db.collection('plays').find().limit(params.limit).toArray())
 */
export const t = Object.freeze({
  /** Text of at most `max` characters. */
  string: (rules: StringRules = {}): Param<string> => new Param('string', rules),
  /** A finite number between `min` and `max`, both allowed. */
  number: (rules: NumberRules = {}): Param<number> => new Param('number', rules),
  /** `true` or `false` in the address. */
  boolean: (rules: { readonly default?: boolean } = {}): Param<boolean> => new Param('boolean', rules),
  /** An ISO day (`2026-09-01`, its first moment in UTC) or time (`2026-09-01T08:00:00Z`). */
  date: (rules: { readonly default?: Date | string } = {}): Param<Date> =>
    new Param('date', rules?.default === undefined ? rules : { default: timeOf(rules.default) }),
  /** One of a few words. */
  enum: <const V extends string>(
    values: readonly V[],
    rules: { readonly default?: NoInfer<V> } = {},
  ): Param<V> => new Param('enum', { values, ...rules }),
})
