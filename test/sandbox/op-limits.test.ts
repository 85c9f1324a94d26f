import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { CallTree } from '../../host/dispatch/call-tree.ts'
import { Invoker } from '../../host/dispatch/invoker.ts'
import { QUOTA_DEFAULTS, type Quota } from '../../host/limits.ts'
import { OPS, type OpName } from '../../sandbox/protocol.ts'
import { startHost, type TestHost } from '../support/host.ts'

let lyceum: TestHost
beforeAll(async () => {
  lyceum = await startHost()
  await lyceum.publish('asking', `import { query } from '@lyceum/sdk'; export const asks = query(() => 1)`)
})
afterAll(() => lyceum.dispose())

const names = Object.keys(OPS) as OpName[]

/**
 * What the host answers to ops of one call that a process sends past all of its own checks. What carries an op out
 * is replaced: none of these may get that far, but for the first of them.
 */
async function answersTo(
  name: OpName,
  quota: Partial<Quota>,
  ops: readonly { readonly bytes: number; readonly afterMs?: number }[],
): Promise<string[]> {
  const { supervisor, conduct, plugins, ops: real } = lyceum.host
  const plugin = plugins.get('asking')
  const asks = plugin.endpoints.get('asks')
  if (asks === undefined) throw new Error('there is no such endpoint')
  const kind = OPS[name].writes ? { kind: 'cron' as const, options: { schedule: '0 0 1 1 *' } } : {}
  const endpoint = { ...asks, facilities: [OPS[name].needs], ...kind } as typeof asks
  const answers: string[] = []
  const forging = Object.create(supervisor, {
    run: {
      value: async (call: Parameters<typeof supervisor.run>[0]) => {
        for (const { bytes, afterMs = 0 } of ops) {
          const answered = Promise.withResolvers<void>()
          if (afterMs > 0) vi.advanceTimersByTime(afterMs)
          const tell = (text: string) => {
            answers.push(text)
            answered.resolve()
          }
          call.onOp({
            name,
            payload: Buffer.alloc(bytes),
            cpuMs: 0,
            spent() {},
            reply: () => tell('carried out'),
            refuse: ({ code }) => tell(code),
          })
          await answered.promise
        }
        return { cpuMs: 0, result: Buffer.from('null'), failure: undefined }
      },
    },
  })
  const invoker = new Invoker(forging, conduct, { ...real, [name]: () => '' })
  const tree = new CallTree({ ...QUOTA_DEFAULTS, ...quota })
  const context = { plugin, endpoint, caller: undefined, transaction: undefined, tree, depth: 0 }
  await invoker.run({ context, input: '{}', eachEvent: false, plainJson: true, traceWrites: false })
  return answers
}

test.each(names)('%s is refused once the call has made all the ops that it may', async (name) => {
  expect(await answersTo(name, { opsPerCall: 2 }, [{ bytes: 1 }, { bytes: 1 }, { bytes: 1 }])).toEqual([
    'carried out',
    'carried out',
    'over_ops',
  ])
})

test.each(names)('%s is refused once the call has moved all the bytes that it may', async (name) => {
  expect(await answersTo(name, { bytesPerCall: 100 }, [{ bytes: 60 }, { bytes: 60 }])).toEqual([
    'carried out',
    'over_bytes',
  ])
})

test.each(names)('%s is refused once the time of the call is over', async (name) => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  expect(await answersTo(name, { wallMs: 50 }, [{ bytes: 1 }, { bytes: 1, afterMs: 60 }])).toEqual([
    'carried out',
    'over_wall',
  ])
})
