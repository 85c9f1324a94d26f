import { processCpuMs } from './cpu-clock.ts'

/** An isolate that is disposed while it runs must let go within this time. */
const STUCK_MS = 250
/** Who does not let go computes. A process that has had less CPU time since then had no chance to. */
const STUCK_CPU_MS = 100
/** What neither lets go nor computes hangs. */
const HANGING_MS = 5_000

/**
 * Calls back where what was told to stop has not stopped. A process may get little of a busy machine, or be held
 * up: that is no sign of being stuck, and must not be laid to a plugin.
 * @param runs whether it still runs
 */
export function whenStuck(runs: () => boolean, callback: () => void): void {
  const beganMs = performance.now()
  const usedBeforeMs = processCpuMs()
  const look = () => {
    if (!runs()) return
    const isHanging = performance.now() > beganMs + HANGING_MS
    if (isHanging || processCpuMs() - usedBeforeMs > STUCK_CPU_MS) callback()
    else setTimeout(look, STUCK_MS)
  }
  setTimeout(look, STUCK_MS)
}
