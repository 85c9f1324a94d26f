import { setTimeout as sleep } from 'node:timers/promises'
import { Changes } from './changes.ts'
import { Mail } from './events.ts'
import { examine } from './examine.ts'
import { Kills } from './kills.ts'
import { Processes } from './processes.ts'
import { type Observation, read } from './reader.ts'
import { Run } from './run.ts'
import { send } from './sender.ts'
import { Settled } from './settled.ts'

const SENDERS = 4
const READERS = 2
const PROGRESS_MS = 10_000

export interface SoakOptions {
  readonly dataDir: string
  readonly seed: string
  readonly loadMs: number
  readonly kills: number
}

/**
 * Runs a host under mixed load while its processes are killed and its plugins changed, then compares all that it
 * keeps with a recount of its log.
 * @returns what is wrong
 */
export async function soak({
  dataDir,
  seed,
  loadMs,
  kills: wanted,
}: SoakOptions): Promise<readonly string[]> {
  const run = await Run.start(dataDir, seed)
  const processes = new Processes()
  const mail = new Mail(run.random('mail'), seed)
  const changes = new Changes(run)
  const kills = new Kills(run, changes, processes)
  const settled = new Settled(run, changes)
  const observations: Observation[] = []
  const startMs = performance.now()
  const seconds = () => Math.round((performance.now() - startMs) / 1_000)
  const progress = setInterval(() => {
    const told = [`${seconds()} s`, `${kills.done}/${wanted} kills`, `${mail.events} events`]
    console.log(
      [
        ...told,
        ...['requests', 'reads', 'published'].map((what) => `${run.counts.get(what) ?? 0} ${what}`),
      ].join('  '),
    )
  }, PROGRESS_MS)
  try {
    await changes.publishAll()
    const load = Promise.all([
      ...Array.from({ length: SENDERS }, (_, at) => send(run, mail, run.random(`sender ${at}`))),
      ...Array.from({ length: READERS }, (_, at) => read(run, run.random(`reader ${at}`), observations)),
      changes.keepOn(),
    ])
    await Promise.race([kills.spread(wanted, loadMs, () => settled.noteHoldings()), load])
    run.stopped = true
    await load
    console.log(`${seconds()} s  the load has ended`)
    await settled.finish()
    await stop(run, processes)
    await examine(run, { dataDir, events: mail.events, observations })
    summary(run, mail.events, kills.done, seconds())
    return run.problems
  } finally {
    run.stopped = true
    clearInterval(progress)
    await run.machine.kill().catch(() => {}) // it has ended already, unless something failed
  }
}

/** Ends the host in order: nothing of any host that ran here is left. */
async function stop(run: Run, processes: Processes): Promise<void> {
  processes.note(run.machine.host.process.pid)
  const code = await run.machine.stop('SIGTERM')
  if (code !== 0) run.problem(`the host ended with ${code} after SIGTERM`)
  for (let waits = 0; processes.left().length > 0 && waits < 100; waits++) await sleep(50)
  if (processes.left().length > 0) run.problem(`processes are left: ${processes.left()}`)
}

function summary(run: Run, events: number, kills: number, seconds: number): void {
  const rows = [
    ['seconds', seconds],
    ['kills', kills],
    ['events', events],
    ...[...run.counts].sort(),
  ] as const
  for (const [what, n] of rows) console.log(`${what.padEnd(36)} ${String(n).padStart(10)}`)
}
