import { LRUCache } from 'lru-cache'

/** Bytes that are kept for a while. The host never looks into them. All times are of the monotonic clock. */
export interface Kept {
  readonly bytes: Buffer
  readonly madeMs: number
  /** Until when it is as good as new. */
  readonly freshUntilMs: number
  /** Until when it stands in while somebody computes it anew. */
  readonly goneAtMs: number
  /** Something in it is made up. */
  readonly isSample: boolean
  /** Of a query's answer. */
  readonly answer?: KeptAnswer
}

/** The answer of a query in both of its forms, one behind the other; they share the bytes where they agree. */
export interface KeptAnswer {
  readonly plain: Buffer
  readonly typed: Buffer
  /** The data that it was made from: when, and how far the plugin had read the log. */
  readonly asOfMs: number
  readonly position: number
}

/** What an entry costs beside its key and bytes: objects, their places in tables, memory of its own for the bytes. */
const ENTRY_BYTES = 512
const SWEEP_EVERY_MS = 60_000

interface Room {
  readonly entries: LRUCache<string, Kept>
  /** When the last of its entries is gone. */
  goneAtMs: number
}

/** What is kept for plugins, in memory: a room for each, out of which nobody else pushes anything. */
export class CacheRooms {
  readonly #rooms = new Map<string, Room>()
  readonly #mostBytes: number
  readonly #editions = new Map<string, number>()
  /** Monotonic clock, in ms; tests set it. */
  nowMs: () => number
  #lastEdition = 0
  #bytes = 0
  #sweptMs: number

  /**
   * @param mostBytes of all rooms together: beyond it, those that hold more than an equal share give way
   * @param nowMs monotonic clock; tests set it
   */
  constructor(mostBytes: number, nowMs: () => number = () => performance.now()) {
    this.#mostBytes = mostBytes
    this.nowMs = nowMs
    this.#sweptMs = nowMs()
  }

  /** Bytes of all rooms. */
  get bytes(): number {
    return this.#bytes
  }

  /** What a plugin's room holds, keys and overhead included. */
  bytesOf(plugin: string): number {
    return this.#rooms.get(plugin)?.entries.calculatedSize ?? 0
  }

  /** What is kept, be it fresh or only good enough to stand in. */
  get(plugin: string, key: string): Kept | undefined {
    const kept = this.#rooms.get(plugin)?.entries.get(key)
    if (kept === undefined || this.nowMs() < kept.goneAtMs) return kept
    this.delete(plugin, key)
    return undefined
  }

  /** Keeps something; the oldest of the same plugin goes where there is no room. It must fit by itself. */
  set(plugin: string, key: string, kept: Kept, roomBytes: number): void {
    this.#sweep()
    const room = this.#roomOf(plugin)
    room.goneAtMs = Math.max(room.goneAtMs, kept.goneAtMs)
    this.#change(room, () => {
      room.entries.set(key, kept)
      while (room.entries.calculatedSize > roomBytes) room.entries.pop()
    })
    this.#share(room)
  }

  /** @returns whether it was kept */
  delete(plugin: string, key: string): boolean {
    const room = this.#rooms.get(plugin)
    if (room === undefined) return false
    let wasKept = false
    this.#change(room, () => {
      wasKept = room.entries.delete(key)
    })
    if (room.entries.size === 0) this.#rooms.delete(plugin)
    return wasKept
  }

  /** Forgets all that is kept for a plugin, and what is being computed for it just now. */
  forget(plugin: string): void {
    this.renew(plugin)
    this.#drop(plugin)
  }

  /** A number for what goes by this name; what was kept under another is not found any more. */
  edition(name: string): number {
    return this.#editions.get(name) ?? 0
  }

  renew(name: string): void {
    this.#lastEdition += 1
    this.#editions.set(name, this.#lastEdition)
  }

  #roomOf(plugin: string): Room {
    const room = this.#rooms.get(plugin) ?? {
      entries: new LRUCache<string, Kept>({ maxSize: Number.MAX_SAFE_INTEGER, sizeCalculation: sizeOf }),
      goneAtMs: 0,
    }
    this.#rooms.set(plugin, room)
    return room
  }

  #change(room: Room, change: () => void): void {
    const before = room.entries.calculatedSize
    change()
    this.#bytes += room.entries.calculatedSize - before
  }

  /** Whoever holds more than an equal share makes room: the one who sets first, then the largest. */
  #share(own: Room): void {
    while (this.#bytes > this.#mostBytes) {
      const shareBytes = this.#mostBytes / this.#rooms.size
      const room = own.entries.calculatedSize > shareBytes ? own : this.#largest()
      this.#change(room, () => {
        const spare = this.#bytes - this.#mostBytes
        const target = Math.max(room.entries.calculatedSize - spare, shareBytes)
        while (room.entries.calculatedSize > target) room.entries.pop()
      })
    }
  }

  #largest(): Room {
    let [largest] = this.#rooms.values()
    for (const room of this.#rooms.values())
      if (largest === undefined || room.entries.calculatedSize > largest.entries.calculatedSize)
        largest = room
    if (largest === undefined) throw new Error('there is no room')
    return largest
  }

  /** Rooms in which nothing is good any more go, so that idle plugins hold nothing. */
  #sweep(): void {
    const nowMs = this.nowMs()
    if (nowMs - this.#sweptMs < SWEEP_EVERY_MS) return
    this.#sweptMs = nowMs
    for (const [plugin, room] of this.#rooms) if (room.goneAtMs <= nowMs) this.#drop(plugin)
  }

  #drop(plugin: string): void {
    this.#bytes -= this.bytesOf(plugin)
    this.#rooms.delete(plugin)
  }
}

/** The bytes that an entry takes up. */
export function sizeOf({ bytes }: Pick<Kept, 'bytes'>, key: string): number {
  return bytes.length + key.length * 2 + ENTRY_BYTES
}

/** A copy with memory of its own: a part of a larger buffer would keep all of that. */
export function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
