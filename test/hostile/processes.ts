import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The kernel counts CPU time in these. */
const TICK_MS = 10
const PAGE_MB = 4096 / 1024 / 1024

/** CPU time of all children of this process, those included that have ended, in ms. */
export function childrenCpuMs(): number {
  const own = statOf('self')
  // Fields 16 and 17: the time of children that were waited for.
  let ticks = Number(own[15]) + Number(own[16])
  for (const pid of childPids()) {
    const stat = statOf(String(pid))
    if (stat.length > 0) ticks += Number(stat[13]) + Number(stat[14])
  }
  return ticks * TICK_MS
}

/** The process ids of the children of this process. */
export function childPids(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
  return children.split(' ').filter(Boolean).map(Number)
}

/** Resident memory of a process in MB; 0 where it has gone. */
export function residentMb(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_MB
  } catch {
    return 0
  }
}

/** What this process still refers to once its garbage is collected, in MB. */
export function heldMb(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1024 / 1024
}

/** The fields of a process's stat, those of proc(5) one less each: [3] is the parent. The first two are left out. */
function statOf(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in the second field may hold spaces.
    return ['', '', ...stat.slice(stat.lastIndexOf(')') + 2).split(' ')]
  } catch {
    return []
  }
}
