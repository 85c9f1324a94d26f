import type { ReplicaKind } from '../config.ts'

export type SqlKind = Exclude<ReplicaKind, 'mongodb'>

/**
 * What a statement may hold, by database. What is on no list is refused: functions that sleep, read files, change
 * settings or make much out of little have no way in.
 */
export interface Dialect {
  readonly kind: SqlKind
  /** As messages name it. */
  readonly title: string
  readonly functions: ReadonlySet<string>
  /** The type as an author writes it in a cast, and as it is printed. */
  readonly casts: ReadonlyMap<string, string>
  readonly operators: ReadonlySet<string>
  readonly features: ReadonlySet<Feature>
}

/** Parts of SQL that not every database has. */
export type Feature =
  | 'array'
  | 'column aliases of a table'
  | 'DISTINCT ON'
  | 'EXTRACT'
  | 'FILTER'
  | 'FULL JOIN'
  | 'LATERAL'
  | 'NULLS FIRST or LAST'
  | 'schema'
  | 'WITHIN GROUP'
  | '-> and ->>'

// biome-ignore format: a list to read
const FUNCTIONS = [
  // over rows
  'count', 'sum', 'avg', 'min', 'max',
  // over windows
  'row_number', 'rank', 'dense_rank', 'percent_rank', 'cume_dist', 'ntile', 'lag', 'lead', 'first_value',
  'last_value', 'nth_value',
  // of values
  'coalesce', 'nullif', 'abs', 'round', 'floor', 'ceil', 'ceiling', 'sqrt', 'power', 'mod', 'exp', 'ln', 'sign',
  'lower', 'upper', 'length', 'trim', 'ltrim', 'rtrim', 'replace', 'substr', 'exists',
]
// biome-ignore format: a list to read
const POSTGRES_FUNCTIONS = [
  'string_agg', 'array_agg', 'bool_and', 'bool_or', 'stddev', 'stddev_pop', 'stddev_samp', 'variance', 'var_pop',
  'var_samp', 'corr', 'covar_pop', 'covar_samp', 'regr_slope', 'regr_intercept', 'regr_r2', 'percentile_cont',
  'percentile_disc', 'mode', 'json_agg', 'jsonb_agg',
  'greatest', 'least', 'trunc', 'log', 'width_bucket', 'concat', 'concat_ws', 'left', 'right', 'strpos',
  'split_part', 'initcap', 'char_length', 'md5',
  'now', 'date_trunc', 'date_part', 'age', 'to_char', 'to_date', 'to_timestamp', 'make_date',
  'json_array_length', 'jsonb_array_length', 'json_extract_path_text', 'jsonb_extract_path_text',
  'json_build_object', 'jsonb_build_object', 'array_length', 'cardinality', 'any',
]
// biome-ignore format: a list to read
const MYSQL_FUNCTIONS = [
  'group_concat', 'std', 'stddev', 'stddev_pop', 'stddev_samp', 'variance', 'var_pop', 'var_samp',
  'greatest', 'least', 'ifnull', 'truncate', 'log', 'log10', 'log2', 'concat', 'concat_ws', 'left', 'right',
  'locate', 'instr', 'char_length', 'md5',
  'now', 'curdate', 'date', 'time', 'year', 'quarter', 'month', 'week', 'weekday', 'day', 'dayofmonth',
  'dayofweek', 'dayofyear', 'hour', 'minute', 'second', 'last_day', 'date_format', 'str_to_date', 'datediff',
  'timediff', 'unix_timestamp', 'from_unixtime', 'to_days', 'from_days',
  'json_extract', 'json_unquote', 'json_value', 'json_length',
]
// biome-ignore format: a list to read
const SQLITE_FUNCTIONS = [
  'total', 'group_concat', 'string_agg', 'ifnull', 'iif', 'trunc', 'log', 'log10', 'log2', 'concat', 'concat_ws',
  'instr', 'date', 'time', 'datetime', 'julianday', 'unixepoch', 'strftime', 'typeof', 'json_extract',
  'json_array_length',
]

// biome-ignore format: a list to read
const OPERATORS = [
  'AND', 'OR', '=', '!=', '<', '<=', '>', '>=', 'IN', 'NOT IN', 'LIKE', 'NOT LIKE', '+', '-', '*', '/', '%', '||',
]

const POSTGRES_CASTS: readonly [string, string][] = [
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'real',
  'double precision',
  'boolean',
  'text',
  'varchar',
  'char',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'interval',
  'json',
  'jsonb',
  'uuid',
].map((type) => [type, type])

export const DIALECTS: Readonly<Record<SqlKind, Dialect>> = {
  postgres: {
    kind: 'postgres',
    title: 'PostgreSQL',
    functions: new Set([...FUNCTIONS, ...POSTGRES_FUNCTIONS]),
    casts: new Map([
      ...POSTGRES_CASTS,
      ['int', 'integer'],
      ['int2', 'smallint'],
      ['int4', 'integer'],
      ['int8', 'bigint'],
      ['decimal', 'numeric'],
      ['float4', 'real'],
      ['float8', 'double precision'],
      ['float', 'double precision'],
      ['bool', 'boolean'],
      ['character varying', 'varchar'],
      ['timestamp with time zone', 'timestamptz'],
      ['timestamp without time zone', 'timestamp'],
    ]),
    operators: new Set([
      ...OPERATORS,
      'ILIKE',
      'NOT ILIKE',
      '~',
      '~*',
      '!~',
      '!~*',
      'AT TIME ZONE',
      '@>',
      '<@',
    ]),
    features: new Set<Feature>([
      'array',
      'column aliases of a table',
      'DISTINCT ON',
      'EXTRACT',
      'FILTER',
      'FULL JOIN',
      'LATERAL',
      'NULLS FIRST or LAST',
      'schema',
      'WITHIN GROUP',
      '-> and ->>',
    ]),
  },
  mysql: {
    kind: 'mysql',
    title: 'MariaDB and MySQL',
    functions: new Set([...FUNCTIONS, ...MYSQL_FUNCTIONS]),
    casts: new Map([
      ['int', 'signed'],
      ['integer', 'signed'],
      ['bigint', 'signed'],
      ['numeric', 'decimal'],
      ['decimal', 'decimal'],
      ['double precision', 'double'],
      ['float8', 'double'],
      ['float', 'double'],
      ['text', 'char'],
      ['varchar', 'char'],
      ['char', 'char'],
      ['date', 'date'],
      ['time', 'time'],
      ['timestamp', 'datetime'],
    ]),
    operators: new Set(OPERATORS),
    features: new Set<Feature>(['EXTRACT']),
  },
  sqlite: {
    kind: 'sqlite',
    title: 'SQLite',
    functions: new Set([...FUNCTIONS, ...SQLITE_FUNCTIONS]),
    casts: new Map([
      ['int', 'integer'],
      ['integer', 'integer'],
      ['bigint', 'integer'],
      ['numeric', 'numeric'],
      ['decimal', 'numeric'],
      ['real', 'real'],
      ['double precision', 'real'],
      ['float8', 'real'],
      ['float', 'real'],
      ['text', 'text'],
      ['varchar', 'text'],
    ]),
    operators: new Set(OPERATORS),
    features: new Set<Feature>(['FILTER', 'FULL JOIN', 'NULLS FIRST or LAST', '-> and ->>']),
  },
}

/** What may be taken out of a date by EXTRACT. */
// biome-ignore format: a list to read
export const DATE_PARTS: ReadonlySet<string> = new Set([
  'year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second', 'epoch', 'dow', 'isodow', 'doy',
  'isoyear',
])
