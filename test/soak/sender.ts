import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Random } from '../../sdk/testing/random.ts'
import type { Delivery, Mail } from './events.ts'
import type { Reply, Run } from './run.ts'

const MOST_PAUSE_MS = 150
const RETRY_MS = 30
/** A body this small may be sent with `?wait=realtime`. */
const FEW_EVENTS = 5

/**
 * An LMS: it sends bodies, each until it is answered, and now and then once more although it was. It gives up
 * waiting sometimes, so that the host does what nobody hears of. Resolves after the answer to its last body.
 */
export async function send(run: Run, mail: Mail, random: Random): Promise<void> {
  while (!run.stopped) {
    const { items, ...delivery } = mail.compose()
    const waits = delivery.numbers.length <= FEW_EVENTS && random.chance(0.4)
    const { reply, tries } = await deliver(run, delivery, random, waits)
    run.count('requests')
    run.count('redelivered', tries - 1)
    mail.acknowledged(items)
    check(run, delivery, reply, tries > 1)
    if (waits && reply.status === 200) await checkRealtime(run, delivery, reply)
    if (random.chance(0.1)) {
      const again = await deliver(run, delivery, random, false)
      run.count('redelivered', again.tries)
      check(run, { ...delivery, fresh: 0, repeated: delivery.numbers.length }, again.reply, false)
    }
    await sleep(random.below(MOST_PAUSE_MS))
  }
}

async function deliver(run: Run, { body, headers }: Delivery, random: Random, waits: boolean) {
  for (let tries = 1; ; tries++) {
    const patience = random.chance(0.05) ? { signal: AbortSignal.timeout(1 + random.below(30)) } : {}
    const path = waits ? '/v1/events?wait=realtime' : '/v1/events'
    const reply = await run.try(path, { method: 'POST', headers, body: new Uint8Array(body), ...patience })
    if (reply !== undefined && reply.status !== 503) return { reply, tries }
    await sleep(RETRY_MS)
  }
}

/** A body is stored whole or not at all, so an earlier try that got through has made all of it duplicates. */
function check(
  run: Run,
  { fresh, repeated, rejected, numbers }: Delivery,
  { status, json }: Reply,
  again: boolean,
) {
  if (status !== 200 && status !== 202) {
    run.problem(`events were answered ${status}: ${JSON.stringify(json)}`)
    return
  }
  const places = json.rejected.map(({ index }: { index: number }) => index)
  const isFirst = json.accepted === fresh && json.duplicates === repeated
  const isRepeat = again && json.accepted === 0 && json.duplicates === fresh + repeated
  if (!(isFirst || isRepeat) || !isDeepStrictEqual(places, rejected))
    run.problem(
      `a body with ${fresh} new events, ${repeated} known and no events at ${rejected} was answered ${JSON.stringify(json)} (events ${numbers})`,
    )
}

/** What is said to be committed is there at once, and stays whatever is killed. */
async function checkRealtime(run: Run, { urgent }: Delivery, { json }: Reply): Promise<void> {
  run.count('realtime waits')
  const { state, error } =
    json.handlers.find((handler: { plugin: string }) => handler.plugin === 'counting') ?? {}
  if (state === 'failed') run.problem(`a realtime handler failed: ${JSON.stringify(error)}`)
  if (state !== 'committed') return
  run.count('realtime committed')
  const seen = await run.ask(`/v1/queries/counting/seen?numbers=${urgent.join(',')}`)
  // A plugin that is paused just now does not tell.
  if (seen.status === 200 && seen.json !== urgent.length)
    run.problem(`of the events ${urgent}, said to be committed, ${JSON.stringify(seen.json)} are there`)
}
