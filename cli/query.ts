import { type Command, CommanderError, Option } from 'commander'
import { type Connection, csvOf, jsonOf } from './connection.ts'
import { UsageError } from './exit-codes.ts'
import { Offered } from './offered.ts'
import { assignments, collected } from './options.ts'
import { table, tableOf } from './table.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { columnsOf, forStdout, jsonLine, note, onOneLine, paint, printJson } from './terminal.ts'

const FORMATS = ['table', 'json', 'ndjson', 'csv'] as const

const HELP = `
Without any words it lists the queries that you may ask.
A common name, which an admin gives to one of several plugins, is asked without a plugin.
Dimensions (course, user, …) and the query's own parameters are given as name=value.
On a terminal the result is a table, for programs it is JSON.

Examples:
  npx lyceum query
  npx lyceum query video top course=course-v1:Lyceum+STAT101+2026 limit=5
  npx lyceum query video top course=… --format csv > top.csv
  npx lyceum query grades course=… user=42`

interface Options extends ConnectionFlags {
  readonly param?: readonly string[]
  readonly format?: (typeof FORMATS)[number]
  readonly sample?: boolean
  readonly json?: boolean
}

/** `lyceum query`: asks a plugin's query. */
export function registerQuery(program: Command): void {
  withConnection(program.command('query'))
    .description('Ask a query of a plugin, and print the result.')
    .usage('[options] [plugin] [query] [name=value…]')
    .argument('[words...]', 'the plugin and its query, or a common name; then parameters as name=value')
    .option('-p, --param <name=value>', 'a parameter (repeatable)', collected)
    .addOption(
      new Option('--format <format>', 'how to print (default: table on a terminal, else json)').choices(
        FORMATS,
      ),
    )
    .option('--sample', 'the sample that the author gave, instead of data')
    .addHelpText('after', HELP)
    .exitOverride((error) => {
      throw asParameter(error)
    })
    .action((words: string[], _options: unknown, command: Command) =>
      query(words, command.optsWithGlobals<Options>()),
    )
}

/** An option that is not there is most likely a parameter. */
function asParameter({ exitCode, code, message }: CommanderError): CommanderError {
  const [, name] = /^error: unknown option '--([^'=]+)/.exec(message) ?? []
  const hint = name === undefined ? '' : `. Parameters and dimensions are written ${name}=VALUE`
  return new CommanderError(exitCode, code, `${message}${hint}`)
}

async function query(words: readonly string[], options: Options): Promise<void> {
  const { names, params } = split(words, options.param ?? [])
  const format = options.format ?? (options.json === true || !process.stdout.isTTY ? 'json' : 'table')
  const connection = await connectionOf(options, 'admin')
  if (names.length === 0) {
    await list(connection, format)
    return
  }
  const path = `/v1/queries/${names.map(encodeURIComponent).join('/')}?${params}`
  const answer = await connection.open(path, {
    ...(format === 'csv' && { accept: 'text/csv' }),
    ...(options.sample === true && { prefer: 'sample' }),
  })
  if (answer.headers.get('lyceum-sample') === 'true')
    note('This is a sample from the author of the plugin, not data.')
  else if (format === 'table') note(paint('dim', origin(answer.headers)))
  if (format === 'csv') process.stdout.write(forStdout(await csvOf(answer, connection.url)))
  else print(await jsonOf(answer, connection.url), format)
}

/** Where a result comes from. */
function origin(headers: Headers): string {
  const version = headers.get('lyceum-version') ?? ''
  const position = Number(headers.get('lyceum-log-position')).toLocaleString('en')
  return onOneLine(`version ${version}, data as of event ${position}`)
}

/** Plugin and query, or a common name; and everything with a `=` after them. @throws UsageError */
function split(words: readonly string[], more: readonly string[]) {
  const first = words.findIndex((word) => word.includes('='))
  const names = first === -1 ? words : words.slice(0, first)
  const given = assignments([...(first === -1 ? [] : words.slice(first)), ...more])
  const params = new URLSearchParams([...given])
  if (names.length > 2)
    throw new UsageError(
      `A query has a plugin and a name, and not also "${names[2]}". Write parameters as name=value.`,
    )
  const joined = /^(\w+)[./](\w+)$/.exec(names[0] ?? '')
  if (joined !== null)
    throw new UsageError(`A plugin and its query are two words: npx lyceum query ${joined[1]} ${joined[2]}`)
  if (names.length === 0 && params.size > 0)
    throw new UsageError('Which query? npx lyceum query PLUGIN NAME name=value')
  return { names, params }
}

function print(result: unknown, format: 'table' | 'json' | 'ndjson'): void {
  if (format === 'table') console.log(tableOf(result, columnsOf()))
  else if (format === 'json') printJson(result)
  else for (const row of Array.isArray(result) ? result : [result]) console.log(jsonLine(row))
}

/** The queries that the bearer of the token may ask. */
async function list(connection: Connection, format: NonNullable<Options['format']>): Promise<void> {
  const { plugins, names } = Offered.parse(await connection.request('GET', '/v1/schema'))
  const queries = plugins.flatMap(({ id, queries: own }) =>
    own.map(({ name, title, dimensions, params }) => ({
      plugin: id,
      query: name,
      takes: [...dimensions, ...Object.keys(params)],
      names: names.filter((known) => known.plugin === id && known.query === name).map((known) => known.name),
      title,
    })),
  )
  if (format !== 'table') {
    print(queries, format === 'ndjson' ? 'ndjson' : 'json')
    return
  }
  if (queries.length === 0) console.log('There is no query that you may ask.')
  else
    console.log(
      table(
        ['plugin', 'query', 'takes', 'common name', 'title'],
        queries.map((known) => [
          known.plugin,
          known.query,
          known.takes.join(' '),
          known.names.join(' '),
          known.title,
        ]),
        columnsOf(),
      ),
    )
}
