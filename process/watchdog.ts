import { Worker } from 'node:worker_threads'

const LOOK_MS = 250

/**
 * A thread that ends this process once its parent is gone. The main thread sees that on its pipe, but not
 * while it works on one long request, and an orphan must not keep the files that the next host wants.
 */
const WATCH = `
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && process.kill(process.pid, 'SIGKILL'), ${LOOK_MS})
`

/** Makes this process end with its parent, whatever its main thread does. Needs the permission for a worker. */
export function endWithParent(): void {
  new Worker(WATCH, { eval: true, env: {}, execArgv: [] }).unref()
}
