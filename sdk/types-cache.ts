import type { Awaitable } from './types.ts'

/** What can be kept: what JSON can say, and dates, ids and the other types of documents. */
export type CacheValue = string | number | boolean | null | object

/**
 * Values that a plugin keeps for a while, over all of its calls. They are gone when their time is over, when
 * newer ones need the room, and when the host starts anew; another version of the plugin does not see them.
 *
 * **Common mistake:** keeping a result about a person under a key that does not name that person.
 */
export interface Cache {
  /** The value, or `undefined` where there is none, or its time is over. */
  get<T = unknown>(key: string): Promise<T | undefined>
  /**
   * Keeps a value. Where the cache is full, what was not used for longest goes.
   *
   * @throws `cache_value_too_large` where it does not fit by itself
   */
  set(key: string, value: CacheValue, options: { readonly seconds: number }): Promise<void>
  /** Forgets a value; in a handler or job once more when that has committed. Says whether there was one. */
  delete(key: string): Promise<boolean>
  /**
   * The value that is kept, or what `compute` returns, which is then kept for so many seconds. Whoever asks
   * meanwhile waits for the one who computes; once the time is over, everybody but one gets the old value until
   * there is a new one, for at most as long again.
   *
   * @example const top = await cache.memoize(`top/${course}`, 60, () => db.collection('plays').find({ course }).toArray())
   */
  memoize<T extends CacheValue>(key: string, seconds: number, compute: () => Awaitable<T>): Promise<T>
}
