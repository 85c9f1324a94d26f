import { once } from 'node:events'
import type { Command } from 'commander'
import { LyceumError } from '../host/errors.ts'
import { connectionOf, withConnection } from './target.ts'

const HELP = `
One line of JSON for each thing; the last has "end". Pause the plugin first where the export has to be of
one moment.

Examples:
  npx lyceum export video > video.ndjson
  npx lyceum export video | gzip > video.ndjson.gz`

const END = '{"end":'
/** The last line is short; this holds all of it. */
const TAIL_BYTES = 1_024

/** `lyceum export`: writes everything that a plugin keeps to stdout. */
export function registerExport(program: Command): void {
  withConnection(program.command('export'))
    .description('Write documents, indexes, files and cursors of a plugin to stdout, as NDJSON.')
    .argument('<plugin>', 'its id')
    .addHelpText('after', HELP)
    .action(async (plugin: string, _options: unknown, command: Command) => {
      const connection = await connectionOf(command.optsWithGlobals(), 'admin')
      const lines = await connection.read(`/v1/plugins/${encodeURIComponent(plugin)}/export`)
      await copy(lines, process.stdout)
    })
}

/** @throws {LyceumError} store_lost where the export ends before its end */
async function copy(lines: AsyncIterable<Uint8Array>, out: NodeJS.WritableStream): Promise<void> {
  let tail = Buffer.alloc(0)
  try {
    for await (const chunk of lines) {
      if (!out.write(chunk)) await once(out, 'drain')
      tail = Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES)
    }
  } catch {
    // Said below: what is missing is the last line.
  }
  if (!tail.toString().trimEnd().split('\n').at(-1)?.startsWith(END))
    throw new LyceumError('store_lost', 'The export broke off: it is not whole. Try again.')
}
