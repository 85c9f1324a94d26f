import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until none of the processes runs any more. */
export async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some(isRunning)) await sleep(10)
}

/** CPU time that a process has used so far, 0 where it has ended: the clock of Linux ticks every 10 ms. */
export function cpuMs(pid: number): number {
  if (!isRunning(pid)) return 0
  const fields = statOf(pid).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** A zombie, whom nobody has asked about yet, has ended. */
function isRunning(pid: number): boolean {
  try {
    return !statOf(pid).startsWith('Z')
  } catch {
    return false
  }
}

/** What the system says of a process, from its state on. */
function statOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2)
}
