/** What has to be undone when the process ends before somebody did it in order; it must not wait for anything. */
type Undo = () => void

const undone = new Set<Undo>()
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Has something undone when this process ends by itself or by a signal, unless the returned function was called
 * before. Who listens for a signal themselves also has to close what they opened.
 */
export function undoAtExit(undo: Undo): () => void {
  if (undone.size === 0) {
    process.on('exit', undoAll)
    // Who listens already decides what a signal does, and ends with `exit`.
    for (const signal of SIGNALS) if (process.listenerCount(signal) === 0) process.on(signal, onSignal)
  }
  undone.add(undo)
  return () => {
    if (undone.delete(undo) && undone.size === 0) stopListening()
  }
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return // somebody else decides now
  undoAll()
  process.kill(process.pid, signal)
}

function undoAll(): void {
  for (const undo of undone) undo()
  undone.clear()
  stopListening()
}

function stopListening(): void {
  process.off('exit', undoAll)
  for (const signal of SIGNALS) process.off(signal, onSignal)
}
