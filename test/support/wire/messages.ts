import type { Socket } from 'node:net'
import { BSON } from 'mongodb'

/** A document of the wire. */
export type Doc = Record<string, unknown>

const OP_MSG = 2013
const OP_QUERY = 2004
const OP_REPLY = 1
const HEADER_BYTES = 16
const BODY = 0
const SEQUENCE = 1

/** One command of a driver, and how to answer it. */
export interface Request {
  readonly command: Doc
  readonly answer: (reply: Doc) => void
}

/** Cuts what arrives on a connection into commands: MongoDB's OP_MSG, and the OP_QUERY of a first hello. */
export function onRequests(socket: Socket, handle: (request: Request) => void): void {
  let held: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    while (held.length >= HEADER_BYTES && held.length >= held.readInt32LE(0)) {
      const message = held.subarray(0, held.readInt32LE(0))
      held = held.subarray(message.length)
      handle(requestOf(message, socket))
    }
  })
}

function requestOf(message: Buffer, socket: Socket): Request {
  const id = message.readInt32LE(4)
  const isQuery = message.readInt32LE(12) === OP_QUERY
  const answer = (reply: Doc) => {
    if (!socket.destroyed) socket.write(isQuery ? replyTo(id, reply) : messageTo(id, reply))
  }
  return { command: isQuery ? queried(message) : sections(message), answer }
}

function queried(message: Buffer): Doc {
  const nameEnd = message.indexOf(0, HEADER_BYTES + 4)
  return BSON.deserialize(message.subarray(nameEnd + 1 + 8), { promoteLongs: false })
}

function sections(message: Buffer): Doc {
  let command: Doc = {}
  const sequences: Record<string, Doc[]> = {}
  for (let at = HEADER_BYTES + 4; at < message.length; ) {
    const kind = message.readUInt8(at)
    at += 1
    const bytes = message.readInt32LE(at)
    if (kind === BODY) command = BSON.deserialize(message.subarray(at, at + bytes), { promoteLongs: false })
    else if (kind === SEQUENCE) {
      const nameEnd = message.indexOf(0, at + 4)
      const list: Doc[] = []
      for (let inner = nameEnd + 1; inner < at + bytes; inner += message.readInt32LE(inner))
        list.push(BSON.deserialize(message.subarray(inner, inner + message.readInt32LE(inner))))
      sequences[message.toString('utf8', at + 4, nameEnd)] = list
    } else throw new Error(`a section of kind ${kind}`)
    at += bytes
  }
  return { ...command, ...sequences }
}

function messageTo(id: number, reply: Doc): Buffer {
  const body = BSON.serialize(reply)
  const head = Buffer.alloc(HEADER_BYTES + 5)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(id, 8)
  head.writeInt32LE(OP_MSG, 12)
  return Buffer.concat([head, body])
}

function replyTo(id: number, reply: Doc): Buffer {
  const body = BSON.serialize(reply)
  const head = Buffer.alloc(HEADER_BYTES + 20)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(id, 8)
  head.writeInt32LE(OP_REPLY, 12)
  head.writeInt32LE(1, HEADER_BYTES + 16)
  return Buffer.concat([head, body])
}
