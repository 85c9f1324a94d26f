/** Runs in a process started like a sandbox, becomes one, and then tries to load native code. */
import { writeFileSync } from 'node:fs'

await import('../../sandbox/process.ts')
const tried = [
  () => process.dlopen({ exports: {} }, '/usr/lib/x86_64-linux-gnu/libc.so.6'),
  () => process.permission.has('addon') && 'may',
].map((attempt) => {
  try {
    return attempt()
  } catch (error) {
    return error instanceof Error ? Reflect.get(error, 'code') : error
  }
})
if (tried[0] !== 'ERR_ACCESS_DENIED' || tried[1] !== false) writeFileSync(2, `it may: ${tried}`)
