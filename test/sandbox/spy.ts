/** Runs in a process started like a sandbox, tries what a process that has fallen to a plugin would, and tells. */
import { execSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { Worker } from 'node:worker_threads'
import { splitPayload } from '../../process/frame.ts'
import { Life } from '../../process/life.ts'
import { Port } from '../../process/port.ts'
import { Kind } from '../../sandbox/protocol.ts'

const port = Port.ofChild(1e6, receive, () => process.kill(process.pid, 'SIGKILL'))
port.send({ kind: Life.ready })

function receive(frame: { kind: number; call: number; scope: bigint; payload: Buffer }): void {
  if (frame.kind === Life.ping) port.send({ kind: Life.pong })
  if (frame.kind === Kind.load) port.send({ kind: Kind.loaded, call: frame.call })
  if (frame.kind === Kind.invoke) void spy(frame.scope, splitPayload(frame.payload).bytes.toString())
}

async function spy(scope: bigint, input: string): Promise<void> {
  const { folder } = JSON.parse(input)
  const found = {
    environment: Object.keys(process.env),
    uid: process.getuid?.(),
    gid: process.getgid?.(),
    groups: process.getgroups?.(),
    list: attempt(() => readdirSync(folder)),
    read: attempt(() => readFileSync(`${folder}/secret`, 'utf8')),
    write: attempt(() => writeFileSync(`${folder}/written`, 'x')),
    passwords: attempt(() => readFileSync('/etc/passwd', 'utf8')),
    parent: attempt(() => readFileSync(`/proc/${process.ppid}/environ`, 'utf8')),
    child: attempt(() => execSync('id').toString()),
    worker: attempt(() => new Worker('', { eval: true })),
    kill: attempt(() => process.kill(process.ppid, 0)),
    network: await new Promise((resolve) => {
      try {
        connect(1, '127.0.0.1')
          .on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
          .on('connect', () => resolve('connected'))
      } catch (error) {
        resolve(codeOf(error))
      }
    }),
  }
  port.send({ kind: Kind.done, scope }, `{"cpuMs":1}\n${JSON.stringify(found)}`)
}

function attempt(act: () => unknown): unknown {
  try {
    act()
    return 'done'
  } catch (error) {
    return codeOf(error)
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, 'code') : error
}
