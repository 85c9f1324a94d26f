/**
 * Loaded before a host (`--import`): its clock is off by what the file in CLOCK_FILE says, in ms, read again on
 * SIGUSR2. Timers and `performance.now` go on evenly, as on a machine whose clock is set.
 */
import { readFileSync } from 'node:fs'

const file = process.env.CLOCK_FILE ?? ''
const RealDate = Date
let shiftMs = Number(readFileSync(file, 'utf8'))
const nowMs = () => RealDate.now() + shiftMs

globalThis.Date = new Proxy(RealDate, {
  construct: (real, given, target) => Reflect.construct(real, given.length === 0 ? [nowMs()] : given, target),
  apply: () => new RealDate(nowMs()).toString(),
  get: (real, name, receiver) => (name === 'now' ? nowMs : Reflect.get(real, name, receiver)),
})

process.on('SIGUSR2', () => {
  shiftMs = Number(readFileSync(file, 'utf8'))
  console.log(`the clock is off by ${shiftMs} ms`)
})
