import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const PEER = join(import.meta.dirname, 'peer')
const WORKERD = join(PEER, 'node_modules/.bin/workerd')
const POLL_MS = 20
const HEAD_END = '\r\n\r\n'

/** Says how to get workerd where it is not installed. */
export function workerdMissing(): string | undefined {
  return existsSync(WORKERD) ? undefined : 'npm ci --prefix test/bench/peer'
}

/** A connection that is kept, with one request at a time: HTTP/1.1 by hand, since Node's client costs more. */
class Connection {
  readonly #socket: Socket
  #text = ''
  #answered: (body: string) => void = () => {}

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.#text += chunk
      const head = this.#text.indexOf(HEAD_END)
      if (head < 0) return
      const [, length] = /content-length: (\d+)/i.exec(this.#text.slice(0, head)) ?? []
      if (!this.#text.startsWith('HTTP/1.1 200') || length === undefined)
        throw new Error(`workerd answered ${this.#text}`)
      const end = head + HEAD_END.length + Number(length)
      if (this.#text.length < end) return
      const body = this.#text.slice(head + HEAD_END.length, end)
      this.#text = ''
      this.#answered(body)
    })
  }

  /** Posts JSON and resolves with the answer's text. */
  post(json: string): Promise<string> {
    return new Promise((resolve) => {
      this.#answered = resolve
      this.#socket.cork()
      this.#socket.write(
        `POST / HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}${HEAD_END}`,
      )
      this.#socket.write(json)
      this.#socket.uncork()
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** Runs work with workerd and some connections to it over a socket in the file system. */
export async function withWorkerd<Result>(
  connections: number,
  work: (connections: readonly Connection[]) => Promise<Result>,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'lyceum-peer-'))
  const path = join(folder, 'http')
  const peer = spawn(WORKERD, ['serve', join(PEER, 'workerd.capnp'), `--socket-addr=http=unix:${path}`], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const ended = once(peer, 'exit')
  const open: Connection[] = []
  try {
    while (!existsSync(path) && peer.exitCode === null) await sleep(POLL_MS)
    for (let n = 0; n < connections; n++) {
      const socket = connect(path)
      await once(socket, 'connect')
      open.push(new Connection(socket))
    }
    return await work(open)
  } finally {
    for (const connection of open) connection.close()
    peer.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
}
