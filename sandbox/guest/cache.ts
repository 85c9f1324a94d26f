import { decode, encode } from '@lyceum/sdk/ejson'
import { type Bridge, OpError } from './bridge.ts'

const { stringify } = JSON
/** The answer to who computes for itself: nobody waits for that value. */
const ALONE = '0'

/** `cache`: values that are kept for a while, over all calls of this version of the plugin. */
export function openCache(bridge: Bridge) {
  // What this call computes or waits for, for all places in it that ask for the same.
  const underWay = new Map<unknown, Promise<string>>()

  const computed = async (key: unknown, seconds: unknown, compute: () => unknown) => {
    const taken = await bridge.call('cacheTake', stringify([key, seconds]))
    if (taken.startsWith('\n')) return taken.slice(1)
    try {
      const value = encoded(await compute())
      if (taken !== ALONE) await bridge.call('cacheFill', `[${taken}]\n${value}`)
      return value
    } catch (error) {
      if (taken !== ALONE) bridge.post('cacheGiveUp', `[${taken}]`)
      throw error
    }
  }

  return {
    get: async (key: unknown) => {
      const text = await bridge.call('cacheGet', stringify([key]))
      return text === '' ? undefined : decode(text)
    },
    set: async (key: unknown, value: unknown, options?: { readonly seconds?: unknown }) => {
      await bridge.call('cacheSet', `${stringify([key, options?.seconds])}\n${encoded(value)}`)
    },
    delete: async (key: unknown) => (await bridge.call('cacheDelete', stringify([key]))) === 'true',
    memoize: async (key: unknown, seconds: unknown, compute: () => unknown) => {
      if (typeof compute !== 'function')
        throw malformed('cache.memoize(key, seconds, compute): the last is a function.')
      const text = underWay.get(key) ?? computed(key, seconds, compute).finally(() => underWay.delete(key))
      underWay.set(key, text)
      // Decoded for everyone: whoever computed it gets the same as those who find it.
      return decode(await text)
    },
  }
}

function encoded(value: unknown): string {
  if (value !== undefined) return encode(value)
  throw malformed('A cache keeps what JSON can say, and this is undefined. To forget a key, delete it.')
}

function malformed(message: string): OpError {
  return new OpError({ code: 'op_malformed', message })
}
