import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { ROLES, type Role } from '../host/auth/tokens.ts'
import { LyceumError } from '../host/errors.ts'
import { amount, count } from '../host/text.ts'
import type { EventBatch, OffLineRun, RunFormat, RunSummary } from '../workbench/off-line.ts'
import { claimsFrom } from './claims.ts'
import { EXIT, UsageError } from './exit-codes.ts'
import { findSource, readBatches, type Source, tooLongIn } from './load-batches.ts'
import { assignments, collected } from './options.ts'
import { checkOut, RESULTS, write, writeBeside } from './out-files.ts'
import { ProgressLine, shareOf } from './progress.ts'
import { forStdout, note, printable, printJson } from './terminal.ts'

const FORMATS = ['ndjson', 'json', 'csv'] as const

const HELP = `
The events of files go through the plugin's handlers, on a host that nobody can reach and that is gone at the end;
then its queries are asked. The same plugin runs on-line unchanged. A job (cron) does not run here.

A file is a log with one event a line, plain or gzip; - reads the standard input. Without --query all queries are
asked that need nothing more than what is given, and each gets a file in the folder that --out names (default:
results). What is on its way is kept in the system's temporary folder (TMPDIR), about as large as the events.

Examples:
  npx lyceum run . --events tracking.log.gz --query top --param course=course-v1:X+Y+Z
  npx lyceum run . --events a.log --events b.log.gz --param course=… --format csv --out tables
  zcat *.gz | npx lyceum run . --events - --query mine --as student --user ann > ann.ndjson

Exit code 1: a handler failed on an event (the results are those without it), or a query was refused.`

interface Options {
  readonly events: readonly string[]
  readonly query?: string
  readonly param?: readonly string[]
  readonly format: RunFormat
  readonly out?: string
  readonly as: Role
  readonly user?: string
  readonly course?: string[]
  readonly with?: readonly string[]
  readonly json?: boolean
}

/** `lyceum run`: a plugin over the events of files, without a server. */
export function registerRun(program: Command): void {
  program
    .command('run')
    .description('Run a plugin over events of files, and write what its queries return.')
    .argument('[folder]', 'the folder with plugin.ts', '.')
    .requiredOption('--events <file>', 'a log, plain or gzip, or - (repeatable)', collected)
    .option('--query <name>', 'ask only this query, and print the result unless --out names a file')
    .option('-p, --param <name=value>', 'a parameter or dimension of the queries (repeatable)', collected)
    .addOption(new Option('--format <format>', 'how to write results').choices(FORMATS).default('ndjson'))
    .option('--out <path>', 'where to: a file with --query, else a folder')
    .addOption(
      new Option('--as <role>', 'who asks')
        .choices(ROLES.filter((role) => role !== 'ingest'))
        .default('admin'),
    )
    .option('--user <id>', 'the person who asks')
    .option('--course <key>', 'a course of theirs (repeatable)', collected)
    .option('--with <folder>', 'another plugin, which this one asks (repeatable)', collected)
    .addHelpText('after', HELP)
    .action((folder: string, _options: unknown, command: Command) =>
      run(folder, command.optsWithGlobals<Options>()),
    )
}

async function run(folder: string, options: Options): Promise<void> {
  const { toCaller } = await import('../host/auth/tokens.ts')
  const { user, course } = options
  const caller = toCaller(claimsFrom(options.as, { ...(user && { user }), ...(course && { course }) }))
  const given = assignments(options.param ?? [])
  const sources = await Promise.all(options.events.map(findSource))
  const { OffLineRun } = await import('../workbench/off-line.ts')
  const opened = await OffLineRun.open(folder, options.with ?? [])
  try {
    for (const plugin of opened.standIns)
      note(
        `${plugin} is not here, but its samples: what is made of them is not written. Give its folder: --with.`,
      )
    const wanted = wantedOf(opened, options.query)
    checkGiven(given, wanted)
    await checkOut(options)
    const summary = await feed(opened, sources)
    const ask = (query: string, params: Params) =>
      opened.result(query, Object.fromEntries(params), caller, options.format)
    const results =
      options.query === undefined
        ? await writeAll(wanted, given, ask, options)
        : await writeOne(options.query, given, ask, options)
    report(summary, results, options)
    if (summary.deadLetters > 0) process.exitCode = EXIT.refused
  } finally {
    await opened.close()
  }
}

type Params = ReadonlyMap<string, string>
type Ask = (query: string, params: Params) => Promise<Buffer>

/** What became of results. */
interface Results {
  readonly written: string[]
  readonly skipped: { readonly query: string; readonly reason: string }[]
}

async function writeOne(query: string, given: Params, ask: Ask, { out }: Options): Promise<Results> {
  const result = await ask(query, given)
  if (out === undefined) await print(result)
  else await write(out, result)
  return { written: out === undefined ? [] : [out], skipped: [] }
}

/** Each query takes what it knows of what is given. */
async function writeAll(
  queries: OffLineRun['queries'],
  given: Params,
  ask: Ask,
  { out = RESULTS, format }: Options,
): Promise<Results> {
  const results: Results = { written: [], skipped: [] }
  for (const query of queries) {
    const { name } = query
    const takes = takenBy(query)
    const own = new Map([...given].filter(([param]) => takes.has(param)))
    const file = join(out, `${name}.${format}`)
    let result: Buffer
    try {
      result = await ask(name, own)
    } catch (error) {
      // It needs more, or is not for who asks; what is wrong with the plugin ends the run.
      if (!(error instanceof LyceumError && error.status < 500)) throw error
      results.skipped.push({ query: name, reason: error.message })
      continue
    }
    await writeBeside(file, result)
    results.written.push(file)
  }
  return results
}

function takenBy({ dimensions, options }: OffLineRun['queries'][number]): Set<string> {
  return new Set([...dimensions, ...options.params.keys()])
}

/** @throws UsageError where something is given that nothing takes, which would be left out without a word */
function checkGiven(given: Params, queries: OffLineRun['queries']): void {
  const taken = new Set(queries.flatMap((query) => [...takenBy(query)]))
  for (const name of given.keys())
    if (!taken.has(name))
      throw new UsageError(
        `--param ${name}: no query that is asked takes it. They take: ${[...taken].join(', ') || 'nothing'}.`,
      )
}

/** Before hours of events go through, it is known whether the query is there. */
function wantedOf({ queries }: OffLineRun, query: string | undefined) {
  if (query === undefined || queries.some(({ name }) => name === query)) return queries
  const names = queries.map(({ name }) => name).join(', ')
  throw new UsageError(`--query ${query}: the plugin has no such query. It has: ${names || 'none'}.`)
}

async function feed(opened: OffLineRun, sources: readonly Source[]): Promise<RunSummary> {
  const sizes = sources.map(({ sizeBytes }) => sizeBytes)
  const total = sizes.every((size) => size !== undefined)
    ? sizes.reduce((sum, size) => sum + size, 0)
    : undefined
  const line = new ProgressLine(process.stderr)
  let [readBytes, tooLong] = [0, 0]
  async function* batches(): AsyncGenerator<EventBatch> {
    let before = 0
    for (const source of sources) {
      const onLineTooLong = (number: number) => {
        tooLong += 1
        line.say(tooLongIn(source, number))
      }
      for await (const batch of readBatches(source, { onLineTooLong })) {
        readBytes = before + batch.readBytes
        yield batch
      }
      before += source.sizeBytes ?? 0
    }
  }
  try {
    const summary = await opened.feed(batches(), ({ step, events, handled }) =>
      line.update({
        done: handled,
        // Reading is the smaller half of the work, and handlers follow it closely.
        share: step === 'reading' ? shareOf(readBytes * (handled / events), total) : shareOf(handled, events),
      }),
    )
    return { ...summary, rejected: summary.rejected + tooLong }
  } finally {
    line.stop()
  }
}

/** Resolves when it is on its way: a pipe that is slow must not lose its end. */
function print(text: Buffer): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(forStdout(text.toString()), (error) => (error ? reject(error) : resolve())),
  )
}

function report(summary: RunSummary, { written, skipped }: Results, { json, query, out }: Options): void {
  const { failure, ...counts } = summary
  // With a query that is printed stdout is its result alone.
  if (json && (query === undefined || out !== undefined)) {
    printJson({ ...counts, written, skipped, ...(failure instanceof Error && { failure: failure.message }) })
    return
  }
  const { accepted, duplicates, rejected, deadLetters } = counts
  note(
    `${count(accepted)} events, ${count(duplicates)} that were there twice, ${count(rejected)} lines that are none.`,
  )
  for (const file of written) note(`wrote ${printable(file)}`)
  for (const one of skipped) note(`left out ${one.query}: ${printable(one.reason)}`)
  if (deadLetters > 0)
    note(
      `Handlers failed on ${amount(deadLetters, 'event')}, which the results are without.\n${printable(messageOf(failure))}`,
    )
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : ''
}
