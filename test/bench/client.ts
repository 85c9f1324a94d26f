import { Agent, request } from 'node:http'

/** A plain client with kept connections: it costs as little as a client can, and both sides of a pair alike. */
export class Client {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, token?: string) {
    this.#url = url
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /** Gets a page, or posts a body, and resolves with the answer's text. @throws where it is not a 2xx */
  call(path: string, body?: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        this.#url + path,
        {
          method: body === undefined ? 'GET' : 'POST',
          agent: this.#agent,
          headers: {
            ...this.#headers,
            ...(body !== undefined && {
              'content-type': 'application/x-ndjson',
              'content-length': body.length,
            }),
          },
        },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (chunk: string) => {
            text += chunk
          })
          answer.on('error', reject)
          answer.on('end', () => {
            const { statusCode = 0 } = answer
            if (statusCode >= 200 && statusCode < 300) resolve(text)
            else reject(new Error(`${path} answered ${statusCode}: ${text}`))
          })
        },
      )
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  /** Posts many bodies, some at the same time, like senders that wait for their answers. */
  async postAll(path: string, bodies: readonly Buffer[], atOnce: number): Promise<void> {
    const left = [...bodies]
    const send = async () => {
      for (let body = left.shift(); body !== undefined; body = left.shift()) await this.call(path, body)
    }
    await Promise.all(Array.from({ length: atOnce }, send))
  }

  close(): void {
    this.#agent.destroy()
  }
}
