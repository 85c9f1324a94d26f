import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDataFolder } from '../../host/files.ts'
import { Child, type ChildExit } from '../../process/child.ts'
import { kernelConfines, ownUser } from '../../process/confine.ts'
import { NODE_FLAGS, Sandbox } from '../../sandbox/sandbox.ts'
import { callOf } from '../sandbox/lab.ts'

/**
 * A process that has fallen to a plugin, at its worst. With Node's flags it is code that got out of its isolate
 * into Node; without them it is native code, whom they do not bind: what is left then is the kernel.
 */
const asRoot = process.getuid?.() === 0
const SCRIPT = join(import.meta.dirname, 'taken-over.ts')
const DENIED = 'ERR_ACCESS_DENIED'

let folder: string
let server: Server
let sibling: Child | undefined
// biome-ignore lint/suspicious/noExplicitAny: what was found has every shape
type Found = any
let inNode: Found
let native: Found
const uid = ownUser()

function start(nodeFlags: readonly string[], user: number | undefined) {
  const said: string[] = []
  const exit = Promise.withResolvers<ChildExit>()
  const { port } = server.address() as AddressInfo
  const about = {
    folder,
    parent: process.pid,
    sibling: sibling?.pid ?? process.pid,
    port,
    flagged: nodeFlags.length > 0,
  }
  let next = Promise.withResolvers<string>()
  const child = new Child({
    name: 'taken over',
    script: SCRIPT,
    args: [JSON.stringify(about)],
    nodeFlags,
    confinement: { uid: user, writesFiles: false },
    rssCapMb: 1_024,
    heartbeatMs: 30_000,
    maxFrameBytes: 1e6,
    onFrame: ({ payload }) => next.resolve(payload.toString()),
    onExit: (how) => {
      exit.resolve(how)
      next.reject(new Error(said.join('')))
    },
    onOutput: (text) => said.push(text),
  })
  return {
    child,
    exit: exit.promise,
    frame: async () => {
      const text = await next.promise
      next = Promise.withResolvers()
      next.promise.catch(() => {})
      return text
    },
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-taken-'))
  await writeFile(join(folder, 'secret'), 'x')
  server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const beside = start([], ownUser())
  await beside.frame()
  sibling = beside.child
  const flagged = start([...NODE_FLAGS, `--allow-fs-read=${SCRIPT}`], ownUser())
  const free = start([], uid)
  inNode = JSON.parse(await flagged.frame())
  native = JSON.parse(await free.frame())
  flagged.child.kill('the test is over')
  free.child.kill('the test is over')
})
afterAll(async () => {
  sibling?.kill('the test is over')
  server.close()
  await rm(folder, { recursive: true })
})

describe('code that got out of its isolate into Node', () => {
  test('finds no environment', () => expect(inNode.environment).toEqual([]))

  test.each(['files', 'network'])('is denied all %s', (what) => {
    for (const [name, how] of Object.entries(inNode[what])) expect([name, how]).toEqual([name, DENIED])
  })

  test('can look at no process and start none', () => {
    const { signal, signalSibling, signalFirst, inspectParent, inspectSibling, ...others } = inNode.processes
    for (const [name, how] of Object.entries(others)) expect([name, how]).toEqual([name, DENIED])
  })

  test('finds none of the known ways around the permissions of Node', () => {
    const { sqlite, 'flags of V8': flags, 'process.dlopen': addon, ...others } = inNode.around
    const { 'inspector.Session': session, ...ways } = others
    for (const [name, how] of Object.entries(ways)) expect([name, how]).toEqual([name, DENIED])
    expect(session).toBe('ERR_INSPECTOR_NOT_WORKER')
    // Its files are not held to the permissions, so it is not there.
    expect(sqlite).toBe('ERR_UNKNOWN_BUILTIN_MODULE')
    // Not promised: V8's flags can be set, and an addon could be loaded if isolated-vm were not loaded already.
    expect([flags, addon]).toEqual(['done', 'ERR_DLOPEN_FAILED'])
  })
})

test('a sandbox that has isolated-vm loads no other addon', async () => {
  const script = join(import.meta.dirname, 'second-addon.ts')
  const output: string[] = []
  const sandbox = new Sandbox({
    name: 'second addon',
    script,
    nice: 0,
    uid: ownUser(),
    rssCapMb: 1_024,
    heartbeatMs: 30_000,
    graceMs: 1_000,
    maxIsolates: 8,
    onOutput: (text) => output.push(text),
    onGone() {},
  })
  const { failure } = await sandbox.run(
    callOf('spy', 'export const run = { handler: () => 1 }', { budget: { wallMs: 20_000 } }),
  )
  sandbox.end()
  expect([failure?.message, output.join('')]).toEqual([undefined, ''])
})

describe.runIf(asRoot && kernelConfines()?.[0] === 'unshare')(
  'native code, where the host runs as root',
  () => {
    test('has a user of its own, no capability, and gets no more rights by any program', () => {
      expect(native).toMatchObject({
        uid,
        gid: uid,
        environment: [],
        capabilities: '0000000000000000',
        moreRights: '1',
      })
      expect(native.groups.filter((group: number) => group !== uid)).toEqual([])
    })

    test('inherits no descriptor but its pipes', () => expect(native.descriptors).toEqual([]))

    test('reads and writes no file but what is for everybody, and fills no disk', () => {
      expect(native.files).toEqual({
        list: 'EACCES',
        secret: 'EACCES',
        shadow: 'EACCES',
        write: 'EACCES',
        fill: 'EFBIG',
        descriptors: '256',
        everybodys: true, // not promised
      })
    })

    test('sees that other processes are there, but neither looks into them nor signals them', () => {
      expect(native.processes).toEqual({
        environment: 'EACCES',
        memory: 'EACCES',
        descriptors: 'EACCES',
        siblingMemory: 'EACCES',
        signal: 'EPERM',
        signalSibling: 'EPERM',
        signalFirst: 'EPERM',
        inspectParent: 'EPERM',
        inspectSibling: 'EPERM',
        list: true, // not promised
        run: 'done', // not promised
      })
    })

    test('has no network, not even that of this machine', () => {
      const { inspector, listen, ...others } = native.network
      expect(others).toEqual({
        host: 'ENETUNREACH',
        outside: 'ENETUNREACH',
        datagram: 'ENETUNREACH',
        abstract: 'ECONNREFUSED',
      })
    })

    test('keeps its host waiting by no process that it left behind, which ends too', async () => {
      const { child, exit, frame } = start([], ownUser())
      await frame()
      child.send({ kind: 9 })
      const left = Number(await frame())
      const alive = () => {
        try {
          return /^State:\s+[^ZX]/m.test(readFileSync(`/proc/${left}/status`, 'utf8'))
        } catch {
          return false
        }
      }
      expect(alive()).toBe(true)
      child.kill('it is time')
      expect((await exit).killedFor).toBe('it is time')
      await expect.poll(alive, { timeout: 20_000 }).toBe(false)
    })
  },
)

test('a data folder that is open to everybody is closed', async () => {
  const open = await mkdtemp(join(tmpdir(), 'lyceum-open-'))
  await chmod(open, 0o755)
  openDataFolder(open).release()
  expect((await stat(open)).mode & 0o777).toBe(0o750)
  await rm(open, { recursive: true })
})
