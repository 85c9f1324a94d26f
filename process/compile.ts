import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Confinement, confined } from './confine.ts'
import { PACKAGES } from './packages.js'
import { PIPE_FD } from './port.ts'

/** Node's flags for a child that starts with what {@link keepCompiled} kept. */
export const COMPILED: readonly string[] = [`--import=${join(import.meta.dirname, 'compiled.js')}`]

/** Says that all of it is there. */
const MARK = join(PACKAGES, '.cache/lyceum-children/whole')

/**
 * Starts a child's script once without permissions and without work, so that what it compiles is kept for those
 * that follow, if nothing is kept yet. They take it only where V8's flags and the user are the same. Where the
 * folder cannot be written, everything is compiled as if this were the first start.
 */
export function keepCompiled(script: string, v8Flags: readonly string[], confinement: Confinement): void {
  if (existsSync(MARK)) return
  const own = [...v8Flags, '--disable-warning=ExperimentalWarning', ...COMPILED, script]
  const { program, args, uid, gid } = confined(process.execPath, own, confinement)
  const child = spawn(program, args, {
    env: {},
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    uid,
    gid,
  })
  const pipe = child.stdio[PIPE_FD]
  let isLoaded = false
  // Its first frame says that all is loaded; without its pipe it ends, and what was compiled is written.
  pipe?.once('data', () => {
    isLoaded = true
    pipe.destroy()
  })
  pipe?.on('error', () => {})
  child.on('error', () => {})
  child.on('exit', (code) => {
    if (isLoaded && code === 0) writeFile(MARK, '').catch(() => {})
  })
  child.unref()
}
