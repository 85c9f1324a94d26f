import type { Command } from 'commander'
import { EXIT } from './exit-codes.ts'
import { BATCH_BYTES, findSource, readBatches } from './load-batches.ts'
import { deliver, eventsUrl, type Target } from './load-delivery.ts'
import { describe, type LoadSummary, Tally } from './load-summary.ts'
import { ProgressLine, shareOf } from './progress.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { onOneLine, printJson } from './terminal.ts'

export type { LoadSummary } from './load-summary.ts'

/** How far the loading is. */
export interface LoadProgress {
  readonly events: number
  readonly bytes: number
  /** Undefined where nobody knows, as in a pipe. */
  readonly totalBytes: number | undefined
}

/** How to load, and who hears about it. */
export interface LoadOptions extends Target {
  /** Aborted, it ends the loading; what was sent stays, and loading again goes on. */
  signal: AbortSignal
  onProgress?: (progress: LoadProgress) => void
  /** Told why it does not go on. */
  onWait?: (why: string, seconds: number) => void
}

/**
 * Sends the lines of tracking logs, plain, gzip or `-` for the standard input, to a host, in their order. Files of
 * any size: no more than a few batches are in memory. Loading the same files again counts nothing twice.
 *
 * @throws LyceumError where a file cannot be read or the host refuses; as of {@link deliver} once the signal is aborted.
 */
export async function loadFiles(files: readonly string[], options: LoadOptions): Promise<LoadSummary> {
  eventsUrl(options.url)
  const sources = await Promise.all(files.map(findSource))
  const sizes = sources.map(({ sizeBytes }) => sizeBytes)
  const totalBytes = sizes.every((size) => size !== undefined)
    ? sizes.reduce((sum, size) => sum + size, 0)
    : undefined
  const startMs = performance.now()
  const { signal, onWait = () => {} } = options
  const tally = new Tally()
  let bytesOfEarlierFiles = 0
  for (const source of sources) {
    const onLineTooLong = (line: number) => {
      const message = `The line is longer than ${BATCH_BYTES.toLocaleString('en')} bytes. It was not sent.`
      tally.reject({ file: source.name, line, code: 'event_too_large', message })
    }
    // One after the other: handlers see events in the order in which they were sent.
    for await (const batch of readBatches(source, { signal, onLineTooLong })) {
      tally.add(source.name, batch, await deliver(batch, options, { signal, onWait }))
      const bytes = bytesOfEarlierFiles + batch.readBytes
      options.onProgress?.({ events: tally.events, bytes, totalBytes })
    }
    bytesOfEarlierFiles += source.sizeBytes ?? 0
  }
  signal.throwIfAborted()
  return tally.summary((performance.now() - startMs) / 1000)
}

const HELP = `
A file is a tracking log with one event a line, plain or gzip; - reads the standard input.
Events come in the order of the lines, and of the files as they are named.
Loading a file again counts nothing twice, so after an interruption run the same command again.

Examples:
  npx lyceum load tracking.log
  npx lyceum load /var/log/edx/tracking.log-2026*.gz --url https://lyceum.example.edu --token "$TOKEN"
  ssh lms cat tracking.log | npx lyceum load -`

interface Options extends ConnectionFlags {
  readonly quiet?: boolean
  readonly json?: boolean
}

/** `lyceum load`: the summary on stdout, everything else on stderr; rejected lines are no failure. */
export function registerLoad(program: Command): void {
  withConnection(program.command('load'))
    .description('Send the events of tracking logs to a running host.')
    .argument('<file...>', 'logs, plain or gzip; - for the standard input')
    .option('--quiet', 'show no progress')
    .addHelpText('after', HELP)
    .action((files: string[], _options: unknown, command: Command) =>
      load(files, command.optsWithGlobals<Options>()),
    )
}

async function load(files: string[], { quiet, json, ...flags }: Options): Promise<void> {
  const connection = await connectionOf(flags, 'ingest')
  const line = quiet ? undefined : new ProgressLine(process.stderr)
  let sent = 0
  const interrupt = new AbortController()
  const onInterrupt = () => interrupt.abort()
  // Only once: a second Ctrl-C ends the process at once, should the first one hang.
  process.once('SIGINT', onInterrupt)
  try {
    const summary = await loadFiles(files, {
      url: connection.url,
      token: await connection.token(),
      signal: interrupt.signal,
      onProgress({ events, bytes, totalBytes }) {
        sent = events
        line?.update({ done: events, share: shareOf(bytes, totalBytes) })
      },
      onWait: (why, seconds) => line?.say(`${onOneLine(why)} Trying again in ${seconds} s.`),
    })
    line?.stop()
    if (json) printJson(summary)
    else console.log(describe(summary))
  } catch (error) {
    line?.stop()
    const resume = `${sent.toLocaleString('en')} lines were sent. Run the same command again to go on: nothing is counted twice.`
    if (interrupt.signal.aborted) {
      console.error(`Interrupted. ${resume}`)
      process.exit(EXIT.interrupted)
    }
    if (sent > 0) console.error(resume)
    throw error
  } finally {
    process.off('SIGINT', onInterrupt)
  }
}
