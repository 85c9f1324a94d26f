import { once } from 'node:events'
import type { Command } from 'commander'
import { LyceumError } from '../host/errors.ts'
import { pluginPath } from './connection.ts'
import { ProgressLine } from './progress.ts'
import { connectionOf, withConnection } from './target.ts'
import { printable } from './terminal.ts'

const HELP = `
One line of JSON for each thing; the last has "end". Pause the plugin first where the export has to be of
one moment.

Examples:
  npx lyceum export video > video.ndjson
  npx lyceum export video | gzip > video.ndjson.gz`

const END = '{"end":'
/** The last line is short; this holds all of it. */
const TAIL_BYTES = 1_024
const LINE_FEED = 10

/** `lyceum export`: writes everything that a plugin keeps to stdout. */
export function registerExport(program: Command): void {
  withConnection(program.command('export'))
    .description('Write documents, indexes, files and cursors of a plugin to stdout, as NDJSON.')
    .argument('<plugin>', 'its id')
    .addHelpText('after', HELP)
    .action(async (plugin: string, _options: unknown, command: Command) => {
      const connection = await connectionOf(command.optsWithGlobals(), 'admin')
      const lines = await connection.read(pluginPath(plugin, '/export'))
      await copy(lines, process.stdout)
    })
}

/** @throws {LyceumError} store_lost where the export ends before its end */
async function copy(exported: AsyncIterable<Uint8Array>, out: NodeJS.WriteStream): Promise<void> {
  // On a terminal the lines themselves are the progress, and what plugins keep must not steer it.
  const line = out.isTTY ? undefined : new ProgressLine(process.stderr, 'lines')
  const decoder = new TextDecoder()
  let lines = 0
  let tail = Buffer.alloc(0)
  try {
    for await (const chunk of exported) {
      if (!out.write(out.isTTY ? printable(decoder.decode(chunk, { stream: true })) : chunk))
        await once(out, 'drain')
      for (const byte of chunk) if (byte === LINE_FEED) lines += 1
      line?.update({ done: lines, share: undefined })
      tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES)
    }
  } catch {
    // Said below: what is missing is the last line.
  } finally {
    line?.stop()
  }
  if (!tail.toString().trimEnd().split('\n').at(-1)?.startsWith(END))
    throw new LyceumError('store_lost', 'The export broke off: it is not whole. Try again.')
}
