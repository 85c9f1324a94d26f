/**
 * What a sandbox would be if V8 did not hold: started like one, it tries what its user can do, and tells. Node's
 * flags decide whether it is the code that has escaped to Node (they hold) or native code (they do not).
 *
 * Arguments: `{ folder, parent, sibling, port, flagged }` as JSON.
 */
import { execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns'
import {
  lstatSync,
  mkdtempSync,
  openAsBlob,
  promises,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { open, Session } from 'node:inspector'
import { createRequire } from 'node:module'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createTracing } from 'node:trace_events'
import { setFlagsFromString, writeHeapSnapshot } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { Life } from '../../process/life.ts'
import { Port } from '../../process/port.ts'

/** The frame with what was found; asked to, it leaves a process behind that holds its pipes. */
export const FOUND = 8

const [given = '{}'] = process.argv.slice(2)
const { folder, parent, sibling, port, flagged } = JSON.parse(given)

function attempt(act: () => unknown): unknown {
  try {
    return act() ?? 'done'
  } catch (error) {
    return error instanceof Error ? (Reflect.get(error, 'code') ?? error.message) : error
  }
}

const LIMIT_MS = 3_000
const settled = (start: (end: (how: unknown) => void) => void) =>
  new Promise((resolve) => {
    const end = (how: unknown) =>
      resolve(how instanceof Error ? (Reflect.get(how, 'code') ?? how.message) : how)
    process.once('uncaughtException', end)
    setTimeout(() => resolve('nothing happened'), LIMIT_MS)
    try {
      start(end)
    } catch (error) {
      end(error)
    }
  })

const builtin = createRequire(import.meta.url)
const status = () => readFileSync('/proc/self/status', 'utf8')
const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status())?.[1]

const found = {
  uid: process.getuid?.(),
  gid: process.getgid?.(),
  groups: process.getgroups?.(),
  environment: Object.keys(process.env),
  moreRights: attempt(() => field('NoNewPrivs')),
  capabilities: attempt(() => field('CapEff')),
  descriptors: attempt(() =>
    readdirSync('/proc/self/fd')
      .map((fd) => attempt(() => readlinkSync(`/proc/self/fd/${fd}`)))
      .filter((to) => !/^(\/dev\/null|pipe:|socket:|anon_inode:)|^ENOENT$|\/proc\/\d+\/fd$/.test(String(to))),
  ),
  files: {
    list: attempt(() => readdirSync(folder).length),
    secret: attempt(() => readFileSync(`${folder}/secret`, 'utf8')),
    shadow: attempt(() => readFileSync('/etc/shadow').length),
    everybodys: attempt(() => readFileSync('/etc/passwd').length > 0),
    write: attempt(() => writeFileSync(`${folder}/written`, 'x')),
    fill: attempt(() => writeFileSync(`/tmp/lyceum-taken-${process.pid}`, 'x'.repeat(1e6))),
    descriptors: attempt(() => /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]),
  },
  processes: {
    list: attempt(() => readdirSync('/proc').some((name) => name === String(parent))),
    environment: attempt(() => readFileSync(`/proc/${parent}/environ`).length),
    memory: attempt(() => readFileSync(`/proc/${parent}/mem`).length),
    descriptors: attempt(() => readdirSync(`/proc/${parent}/fd`).length),
    siblingMemory: attempt(() => readFileSync(`/proc/${sibling}/maps`).length),
    signal: attempt(() => process.kill(parent, 0)),
    signalSibling: attempt(() => process.kill(sibling, 0)),
    signalFirst: attempt(() => process.kill(1, 0)),
    inspectParent: attempt(() => process.kill(parent, 'SIGUSR1')),
    inspectSibling: attempt(() => Reflect.get(process, '_debugProcess')(sibling)),
    run: attempt(() => execFileSync('/bin/sh', ['-c', 'true'], { stdio: 'ignore' })),
  },
  network: {
    host: await settled((end) => connect(port, '127.0.0.1', () => end('connected')).on('error', end)),
    outside: await settled((end) => connect(80, '192.0.2.1', () => end('connected')).on('error', end)),
    listen: await settled((end) => {
      const server = createServer().on('error', end)
      server.listen(0, '127.0.0.1', () => end((server.address() as AddressInfo).address))
    }),
    datagram: await settled((end) =>
      createSocket('udp4')
        .on('error', end)
        .send('x', port, '127.0.0.1', (e) => end(e ?? 'sent')),
    ),
    abstract: await settled((end) => connect('\0lyceum-test', () => end('connected')).on('error', end)),
    inspector: attempt(() => open(0, '127.0.0.1')),
  },
}

const DATA_MODULE: string = `data:text/javascript,${encodeURIComponent("import fs from 'node:fs'; fs.readFileSync('/etc/passwd')")}`

/** The ways around Node's permissions that were found in the past, and those that somebody might try next. */
const tryAround = async () => ({
  'fs.promises': await settled((end) => promises.readFile('/etc/passwd').then(() => end('done'), end)),
  'fs.openAsBlob': await settled((end) => openAsBlob('/etc/passwd').then(() => end('done'), end)),
  'fs.statfs': attempt(() => statfsSync('/etc')),
  'fs.lstat (CVE-2024-22018)': attempt(() => lstatSync('/etc/passwd')),
  'fs.symlink (CVE-2025-55130)': attempt(() => symlinkSync('/etc/passwd', '/tmp/lyceum-link')),
  'fs.mkdtemp (CVE-2023-30583)': attempt(() => mkdtempSync('/tmp/lyceum-')),
  'fs.realpath.native (CVE-2026-21715)': attempt(() => realpathSync.native('/etc/alternatives/../passwd')),
  'a path in bytes (CVE-2023-32004)': attempt(() => readFileSync(Buffer.from('/etc/passwd'))),
  'a path that climbs (CVE-2023-39332)': attempt(() => readFileSync(Buffer.from('/proc/../etc/passwd'))),
  'a path under what is allowed': attempt(() =>
    readFileSync(join(import.meta.dirname, '../../process/../../../etc/passwd')),
  ),
  'process.report (CVE-2026-48617)': attempt(() => process.report.writeReport('/tmp/lyceum-report')),
  'v8.writeHeapSnapshot': attempt(() => writeHeapSnapshot('/tmp/lyceum.heapsnapshot')),
  'process.dlopen': attempt(() => process.dlopen({ exports: {} }, '/usr/lib/x86_64-linux-gnu/libc.so.6')),
  'process.binding (CVE-2023-32006)': attempt(() =>
    Reflect.get(process, 'binding')('fs').open('/etc/passwd', 0, 0),
  ),
  'process.loadEnvFile': attempt(() => process.loadEnvFile('/etc/environment')),
  require: attempt(() => builtin('/etc/hostname')),
  'import of a file': await settled((end) => import(String('/etc/hostname')).then(() => end('done'), end)),
  'import of data (CVE-2024-22020)': await settled((end) => import(DATA_MODULE).then(() => end('done'), end)),
  worker: attempt(() => new Worker('', { eval: true })),
  wasi: attempt(() => new (builtin('node:wasi').WASI)({ version: 'preview1', preopens: { '/': '/' } })),
  ffi: attempt(() => builtin('node:ffi').dlopen('libc.so.6', {})),
  'inspector.Session': attempt(() => new Session().connectToMainThread()),
  sqlite: attempt(() => builtin('node:sqlite')),
  'a socket in the file system (CVE-2026-21636)': await settled((end) =>
    connect('/run/dbus/system_bus_socket', () => end('connected')).on('error', end),
  ),
  fetch: await settled((end) =>
    fetch('http://192.0.2.1/').then(
      () => end('done'),
      (error) => end(error.cause ?? error),
    ),
  ),
  'dns.lookup': await settled((end) => lookup('localhost', (error) => end(error ?? 'done'))),
  trace: attempt(() => createTracing({ categories: ['v8'] }).enable()),
  'flags of V8': attempt(() => setFlagsFromString('--allow-natives-syntax')),
})

const pipe = Port.ofChild(1e6, leave, () => process.exit())
pipe.send({ kind: Life.ready })
pipe.send({ kind: FOUND }, JSON.stringify({ ...found, ...(flagged && { around: await tryAround() }) }))

/** Starts a process that outlives this one and holds its pipes open. */
function leave(): void {
  const left = spawn('/bin/sleep', ['600'], { detached: true, stdio: [0, 1, 2, 3] })
  pipe.send({ kind: FOUND }, String(left.pid))
}
