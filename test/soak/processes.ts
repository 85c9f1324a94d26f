import { readdirSync, readFileSync } from 'node:fs'
import { childrenOf } from '../support/spawned-host.ts'

export type Kind = 'sandbox' | 'store' | 'checker'

const SCRIPTS: readonly (readonly [Kind, RegExp])[] = [
  ['sandbox', /sandbox\/process\.ts/],
  ['store', /store-process\.ts/],
  ['checker', /checker-process\.ts/],
]

/** The processes of all hosts that a soak has run, known by number and start, since numbers are used again. */
export class Processes {
  readonly #known = new Map<number, string>()

  /** Remembers the children that a host has just now. */
  note(host: number | undefined): void {
    for (const pid of childrenOf(host ?? 0)) this.#known.set(pid, startOf(pid) ?? '')
  }

  /** Those that are left of all that were noted. */
  left(): number[] {
    return [...this.#known].filter(([pid, start]) => startOf(pid) === start).map(([pid]) => pid)
  }
}

/** The children of a host that are of some kinds. */
export function childrenOfKind(host: number | undefined, kinds: readonly Kind[]): number[] {
  const scripts = SCRIPTS.filter(([kind]) => kinds.includes(kind)).map(([, script]) => script)
  return childrenOf(host ?? 0).filter((pid) => {
    const command = textOf(`/proc/${pid}/cmdline`)
    return scripts.some((script) => script.test(command))
  })
}

/** What a process holds: its resident memory, and its open files, pipes and sockets. */
export function holdingsOf(pid: number | undefined): { residentMb: number; descriptors: number } {
  const pages = Number(textOf(`/proc/${pid}/statm`).split(' ')[1])
  return {
    residentMb: Math.round((pages * 4_096) / 1024 / 1024),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  }
}

/** When a process started, in ticks since the machine did; undefined where it has ended. */
function startOf(pid: number): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? undefined : fields[19]
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has just ended
  }
}
