import type { Bridge } from './bridge.ts'

const TEXT_CHARS = 200
const { stringify } = JSON

/** `progress(fraction, text)`: how far this call is. What says nothing new is not sent. */
export function openProgress(bridge: Bridge) {
  let told: string | undefined
  return (fraction: unknown, text: unknown = '') => {
    if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1))
      throw new TypeError('progress(0.5, "half of it"): the first argument is a number from 0 to 1.')
    const payload = stringify({
      fraction: Math.round(fraction * 1_000) / 1_000,
      text: String(text).slice(0, TEXT_CHARS),
    })
    if (payload === told) return
    told = payload
    bridge.post('progress', payload)
  }
}
