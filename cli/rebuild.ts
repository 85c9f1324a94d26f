import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { isErrorCode, LyceumError } from '../host/errors.ts'
import { amount } from '../host/text.ts'
import { type Connection, pluginPath } from './connection.ts'
import { ProgressLine, shareOf } from './progress.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { printable, printJson } from './terminal.ts'

const Status = z.object({
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  events: z.number(),
  head: z.number(),
  startedMs: z.number(),
  endedMs: z.number().nullable(),
  deadLetters: z.number(),
  waitsFor: z.string().nullable(),
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
})
type Status = z.infer<typeof Status>

const HELP = `
All its handlers run again, from the first event of the log on. What people see stays as it is until that is done;
then it is replaced at once. Do it after handlers have changed, or after a rollback.

Where a rebuild is under way already, this waits for it. Ctrl-C ends the waiting, not the rebuild.

Examples:
  npx lyceum rebuild video
  npx lyceum rebuild video --no-wait
  npx lyceum rebuild video --cancel`

const LOOK_MS = 250

interface Options extends ConnectionFlags {
  readonly cancel?: boolean
  readonly wait: boolean
  readonly json?: boolean
}

/** `lyceum rebuild`: has the data of a plugin made anew, and shows how far that is. */
export function registerRebuild(program: Command): void {
  withConnection(program.command('rebuild'))
    .description('Make the data of a plugin anew, with the handlers that it has now.')
    .argument('<plugin>', 'its id')
    .option('--cancel', 'cancel the rebuild that is under way; the data are what they were')
    .option('--no-wait', 'start it and do not wait until it is done')
    .addHelpText('after', HELP)
    .action((plugin: string, _options: unknown, command: Command) =>
      rebuild(plugin, command.optsWithGlobals<Options>()),
    )
}

async function rebuild(plugin: string, options: Options): Promise<void> {
  const connection = await connectionOf(options, 'admin')
  const path = pluginPath(plugin, '/rebuild')
  const first = Status.parse(await connection.request(options.cancel === true ? 'DELETE' : 'POST', path))
  const isAsked = options.cancel === true || !options.wait
  const last = isAsked ? first : await watch(connection, path, first)
  if (last.state === 'failed' || (last.state === 'cancelled' && options.cancel !== true)) throw failure(last)
  if (options.json === true) printJson({ plugin, ...last })
  else console.log(printable(sentence(plugin, last)))
}

/** Shows how far it is until it has ended. */
async function watch(connection: Connection, path: string, first: Status): Promise<Status> {
  const line = new ProgressLine(process.stderr)
  let told: string | null = null
  try {
    for (let status = first; ; ) {
      if (status.state !== 'running') return status
      line.update({ done: status.events, share: shareOf(status.events, status.head) })
      if (status.waitsFor !== null && status.waitsFor !== told)
        line.say(printable(`It waits: ${status.waitsFor}`))
      told = status.waitsFor
      await sleep(LOOK_MS)
      const next = Status.nullable().parse(await connection.request('GET', path))
      if (next === null)
        throw new LyceumError(
          'rebuild_ended',
          'The host was started anew meanwhile and knows nothing of this rebuild. Look at the plugin with: npx lyceum plugins',
        )
      status = next
    }
  } finally {
    line.stop()
  }
}

function failure({ problem }: Status): LyceumError {
  const { code, message } = problem ?? { code: 'internal', message: 'The rebuild failed.' }
  return new LyceumError(isErrorCode(code) ? code : 'internal', message)
}

function sentence(
  plugin: string,
  { state, events, startedMs, endedMs, deadLetters, problem }: Status,
): string {
  if (state === 'running')
    return `${plugin} is being rebuilt. See how far it is, or wait for it, with: npx lyceum rebuild ${plugin}`
  if (state === 'cancelled') return problem?.message ?? ''
  const seconds = ((endedMs ?? startedMs) - startedMs) / 1_000
  const time = `${seconds.toLocaleString('en', { maximumFractionDigits: seconds < 10 ? 1 : 0 })} s`
  const done = `${plugin} is rebuilt: its data are what its handlers make of all ${events.toLocaleString('en')} events. It took ${time}.`
  if (deadLetters === 0) return done
  return `${done}\nThey failed on some: ${amount(deadLetters, 'dead letter')}. See which, and why, with: npx lyceum dead-letters ${plugin}`
}
