import fc from 'fast-check'
import {
  Both,
  Kill,
  Pause,
  Publish,
  Quarantine,
  Restart,
  Resume,
  Retry,
  Rollback,
  Send,
  Settle,
} from './commands.ts'
import type { Model } from './model.ts'
import { type HandlerSpec, POISONS, type Sent, type Version } from './plugin.ts'
import type { Real } from './real.ts'

const handler: fc.Arbitrary<HandlerSpec> = fc.record({
  least: fc.constantFrom(0, 0, 2),
  from: fc.constantFrom('start', 'now'),
  mode: fc.constantFrom('soft', 'realtime'),
  reads: fc.boolean(),
})
const often = (spec: fc.Arbitrary<HandlerSpec>) => fc.option(spec, { nil: undefined, freq: 6 })
/** A version; most have both handlers, and fail on something. */
export const version: fc.Arbitrary<Version> = fc.record({
  fails: fc
    .subarray([...POISONS], { minLength: 1 })
    .chain((fails) => fc.constantFrom(fails, fails, fails, [])),
  first: often(handler),
  second: often(handler),
})
const event = (poisoned: number): fc.Arbitrary<Omit<Sent, 'id'>> =>
  fc.record({
    wanted: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
    n: fc.integer({ min: 0, max: 4 }),
    key: fc.constantFrom('a', 'b', 'c'),
    poison: fc.oneof(
      { weight: poisoned, arbitrary: fc.constantFrom(...POISONS) },
      { weight: 12, arbitrary: fc.constant(undefined) },
    ),
  })
/** More than one batch, made of a few events over and over. */
const crowd = fc.array(event(1), { minLength: 1, maxLength: 5 }).map((some) =>
  Array.from({ length: 400 }, (_, at) => {
    const like = some[at % some.length]
    return { wanted: true, n: at % 5, key: 'a', poison: undefined, ...(at % 80 === 0 && like) }
  }),
)
const few = fc.array(event(3), { minLength: 1, maxLength: 12 })

const send = fc
  .oneof(fc.tuple(few, fc.nat({ max: 3 })), fc.tuple(crowd, fc.nat({ max: 50 })))
  .map(([events, again]) => new Send(events, again))
const kill = fc
  .tuple(fc.constantFrom<'stores' | 'sandboxes'>('stores', 'sandboxes'), fc.nat({ max: 30 }))
  .map(([what, afterMs]) => new Kill(what, afterMs))
const publish = version.map((spec) => new Publish(spec))
const rollback = fc.nat({ max: 20 }).map((pick) => new Rollback(pick))
const retry = fc
  .tuple(fc.option(fc.nat({ max: 20 }), { nil: undefined }), fc.boolean())
  .map(([pick, twice]) => new Retry(pick, twice))

/** Everything that can happen, in any order. */
export const commands = (replayPath: string | undefined) =>
  fc.commands<Model, Real, false>(
    [
      send,
      send,
      fc.tuple(send, kill).map(([first, second]) => new Both(first, second)),
      fc.tuple(send, fc.oneof(publish, rollback)).map(([first, second]) => new Both(first, second)),
      publish,
      rollback,
      retry,
      retry,
      fc.constant(new Settle()),
      fc.constantFrom(new Pause(), new Quarantine()),
      fc.constant(new Resume()),
      fc.nat({ max: 2 }).map((n) => (n === 0 ? new Restart() : new Settle())),
    ],
    { maxCommands: 16, size: 'max', ...(replayPath !== undefined && { replayPath }) },
  )
