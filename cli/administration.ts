import type { Command } from 'commander'
import { z } from 'zod'
import { type Connection, pluginPath } from './connection.ts'
import { UsageError } from './exit-codes.ts'
import { quotaLines } from './quota-lines.ts'
import { offerText, RebuildOffer } from './rebuild-offer.ts'
import { type ConnectionFlags, connectionOf, withConnection } from './target.ts'
import { printable, printJson } from './terminal.ts'

interface Options extends ConnectionFlags {
  readonly of?: string
  readonly reason?: string
  readonly json?: boolean
}

const Done = z.object({
  plugin: z.string(),
  version: z.string().nullable(),
  state: z.string(),
  rebuildOffered: RebuildOffer,
})
const Needs = z.array(z.string())

/** `lyceum approve`: lets a plugin reach what it asks for. */
export function registerApprove(program: Command): void {
  withConnection(program.command('approve'))
    .description('Let a plugin reach what its newest version asks for: all of it, or what you name.')
    .argument('<plugin>', 'its id')
    .argument('[needs...]', 'what to approve, such as plugins.grades (default: all that it asks for)')
    .option(
      '--of <version>',
      'the version that you looked at: where there is a newer one, nothing is approved',
    )
    .addHelpText(
      'after',
      `
Only an admin may. A version that waited becomes active once nothing is missing.

Examples:
  npx lyceum plugins grades                 tells what it waits for
  npx lyceum approve grades --of 1.1.0
  npx lyceum approve grades plugins.video   a part; it waits on for the rest`,
    )
    .action((plugin: string, needs: string[], _options: unknown, command: Command) =>
      change(command, async (connection, { of: version }) => {
        const answer = await connection.request('POST', pluginPath(plugin, '/approve'), {
          ...(version !== undefined && { version }),
          ...(needs.length > 0 && { needs }),
        })
        const left = Done.extend({ needs: Needs }).parse(answer)
        return {
          answer,
          text:
            left.needs.length === 0
              ? stateOf(left)
              : `${plugin} still waits for an admin to approve: ${left.needs.join(', ')}.`,
        }
      }),
    )
}

/** `lyceum deny`: says why a plugin will not get what it asks for. */
export function registerDeny(program: Command): void {
  withConnection(program.command('deny'))
    .description('Say why the newest version of a plugin will not get what it asks for. Its author reads it.')
    .argument('<plugin>', 'its id')
    .requiredOption('--reason <text>', 'why')
    .addHelpText(
      'after',
      `
Only an admin may. The version stays pending, and the one before runs on.

Examples:
  npx lyceum deny grades --reason "It may not name students."`,
    )
    .action((plugin: string, _options: unknown, command: Command) =>
      change(command, async (connection, { reason }) => {
        const answer = await connection.request('POST', pluginPath(plugin, '/deny'), { reason })
        return { answer, text: `${plugin} is denied what it asks for. Its author reads why.` }
      }),
    )
}

/** `lyceum revoke`: takes approvals back. */
export function registerRevoke(program: Command): void {
  withConnection(program.command('revoke'))
    .description('Take approvals back from a plugin, at once, also from calls under way.')
    .argument('<plugin>', 'its id')
    .argument('<needs...>', 'what to take back, such as plugins.grades')
    .addHelpText(
      'after',
      `
Only an admin may. Handlers and jobs that need it wait, and their events with them.

Examples:
  npx lyceum revoke grades plugins.video replica.lms`,
    )
    .action((plugin: string, needs: string[], _options: unknown, command: Command) =>
      change(command, async (connection) => {
        const answer = await connection.request('POST', pluginPath(plugin, '/revoke'), { needs })
        const { granted } = z.object({ granted: Needs }).parse(answer)
        return { answer, text: `${plugin} may still reach: ${granted.join(', ') || 'nothing but its own'}.` }
      }),
    )
}

/** `lyceum pause` */
export function registerPause(program: Command): void {
  withConnection(program.command('pause'))
    .description('Stop a plugin for a while. Events wait in the log, and nothing is lost.')
    .argument('<plugin>', 'its id')
    .addHelpText('after', '\nExamples:\n  npx lyceum pause video\n\nNext: npx lyceum resume video')
    .action((plugin: string, _options: unknown, command: Command) => change(command, post(plugin, '/pause')))
}

/** `lyceum resume` */
export function registerResume(program: Command): void {
  withConnection(program.command('resume'))
    .description('Let a plugin run again after a pause; as an admin also after a quarantine.')
    .argument('<plugin>', 'its id')
    .addHelpText('after', '\nExamples:\n  npx lyceum resume video')
    .action((plugin: string, _options: unknown, command: Command) => change(command, post(plugin, '/resume')))
}

/** `lyceum rollback` */
export function registerRollback(program: Command): void {
  withConnection(program.command('rollback'))
    .description('Go back to an earlier version of a plugin. Its data stay as they are.')
    .argument('<plugin>', 'its id')
    .argument('[version]', 'which version (default: the one before)')
    .addHelpText(
      'after',
      `
Examples:
  npx lyceum rollback video
  npx lyceum rollback video 1.2.0

Next: npx lyceum rebuild video, where the newer version has written what the older one would not have.`,
    )
    .action((plugin: string, version: string | undefined, _options: unknown, command: Command) =>
      change(command, post(plugin, '/rollback', { version })),
    )
}

/** `lyceum quota`: shows or changes the limits of a plugin. */
export function registerQuota(program: Command): void {
  withConnection(program.command('quota'))
    .description('Show the limits of a plugin and what it uses of them; as an admin, change some.')
    .argument('<plugin>', 'its id')
    .argument('[changes...]', 'limits to change, as name=number')
    .addHelpText(
      'after',
      `
A change holds from the next call on. The unit is in the name.

Examples:
  npx lyceum quota video
  npx lyceum quota video memoryMb=128 cpuMsPerCall=5000`,
    )
    .action((plugin: string, changes: string[], _options: unknown, command: Command) =>
      change(command, async (connection) => {
        if (changes.length > 0)
          await connection.request(
            'PATCH',
            pluginPath(plugin, '/quota'),
            Object.fromEntries(changes.map(limit)),
          )
        const { quota, quotaUse } = Quotas.parse(await connection.request('GET', pluginPath(plugin)))
        return { answer: { quota, quotaUse }, text: quotaLines(quota, quotaUse) }
      }),
    )
}

interface Outcome {
  readonly answer: unknown
  /** The same for a person. */
  readonly text: string
}

async function change(
  command: Command,
  make: (connection: Connection, options: Options) => Promise<Outcome>,
): Promise<void> {
  const options = command.optsWithGlobals<Options>()
  const { answer, text } = await make(await connectionOf(options, 'admin'), options)
  if (options.json === true) printJson(answer)
  else console.log(printable(text))
}

/** A change that answers with the state after it. */
function post(plugin: string, path: string, body?: object) {
  return async (connection: Connection): Promise<Outcome> => {
    const answer = await connection.request('POST', pluginPath(plugin, path), body)
    return { answer, text: stateOf(Done.parse(answer)) }
  }
}

function stateOf({ plugin, version, state, rebuildOffered }: z.infer<typeof Done>): string {
  return `${plugin} ${version ?? ''} is ${state}.`.replace(/ {2}/, ' ') + offerText(plugin, rebuildOffered)
}

const Quotas = z.object({
  quota: z.record(z.string(), z.number()),
  quotaUse: z.record(z.string(), z.number()),
})

/** `memoryMb=128` @throws UsageError */
function limit(word: string): [string, number] {
  const [, name, value] = /^([a-zA-Z]+)=(\d{1,15})$/.exec(word) ?? []
  if (name === undefined || value === undefined)
    throw new UsageError(`"${word}" is not a limit. Write it as name=number, such as memoryMb=128.`)
  return [name, Number(value)]
}
