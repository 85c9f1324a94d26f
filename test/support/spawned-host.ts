import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const CLI = join(import.meta.dirname, '../../cli/lyceum.js')

/** A host in a process of its own, as `npm start` runs it. */
export interface SpawnedHost {
  readonly process: ChildProcess
  readonly url: string
  readonly signInLink: string
  /** Everything printed so far. */
  output(): string
  /** Process ids of its children, found through the system. */
  children(): number[]
  /** Ends it with a signal and resolves with its exit code, or null where a signal ended it. */
  stop(signal: NodeJS.Signals): Promise<number | null>
}

/**
 * Starts a host on a folder and resolves when it listens.
 * @param onSpawned told of the process at once, long before it listens
 * @param cli the command line: that of the clone unless told
 * @throws with its output where it does not come to listen
 */
export async function spawnHost(
  dataDir: string,
  flags: readonly string[] = ['--no-samples'],
  onSpawned: (child: ChildProcess) => void = () => {},
  cli: string = CLI,
): Promise<SpawnedHost> {
  const child = spawn(process.execPath, [cli, 'start', '--port', '0', '--data', dataDir, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onSpawned(child)
  let output = ''
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const url = new Promise<{ url: string; link: string }>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      const listening = /Lyceum is listening on (\S+)/.exec(output)?.[1]
      const link = /(http\S+\/sign-in\?token=\S+)/.exec(output)?.[1]
      if (listening !== undefined && link !== undefined) resolve({ url: listening, link })
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void exited.then(() => reject(new Error(`the host did not start:\n${output}`)))
  })
  const { url: address, link } = await url
  return {
    process: child,
    url: address,
    signInLink: link,
    output: () => output,
    children: () => childrenOf(child.pid ?? 0),
    stop: async (signal) => {
      child.kill(signal)
      return (await exited)[0]
    },
  }
}

/** Process ids of the children of a process, found through the system. */
export function childrenOf(pid: number): number[] {
  const found: number[] = []
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      if (parent === pid) found.push(Number(entry))
    } catch {
      // it has just ended
    }
  }
  return found
}
