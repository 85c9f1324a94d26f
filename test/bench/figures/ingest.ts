import { withHost } from '../bench-host.ts'
import { bodiesOf } from '../events.ts'
import { type Figure, pairs, perSecond, ratio } from '../harness.ts'
import { withRawLog } from '../raw-log.ts'

const EVENTS = 20_000
const TURNS = 5
const SENDERS = 8

/** What HTTP, reading and telling events apart cost beside the disk. No handler wants these events. */
export const ingest: Figure = {
  name: 'durable ingest over HTTP ÷ raw fsynced append',
  unit: 'ratio',
  goal: 0.6,
  better: 'higher',
  measure: () =>
    withHost(({ client }) =>
      withRawLog(async (raw) =>
        ratio(
          await pairs(
            TURNS,
            () => {
              const bodies = bodiesOf('bench_unwanted', EVENTS)
              return perSecond(EVENTS, () => client.postAll('/v1/events', bodies, SENDERS))
            },
            () => raw.append(bodiesOf('bench_unwanted', EVENTS)),
          ),
        ),
      ),
    ),
}
