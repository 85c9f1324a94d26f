import type { OpName } from '../../sandbox/protocol.ts'
import type { TestHost } from './host.ts'

/** Sends an op and resolves with the answer: what is replied as it is, a refusal as JSON. */
export type Send = (name: OpName, payload: string) => Promise<string>

/**
 * Sends ops of one call as a sandbox process would that has fallen to the plugin: nothing that the guest or the
 * process checks is in the way.
 * @param path a query, in whose name they are sent
 */
export async function forge(
  lyceum: TestHost,
  path: string,
  work: (send: Send) => Promise<void>,
): Promise<void> {
  const { supervisor } = lyceum.host
  const run = supervisor.run.bind(supervisor)
  const worked = Promise.withResolvers<void>()
  supervisor.run = async (call) => {
    supervisor.run = run
    const send: Send = (name, payload) => {
      const answer = Promise.withResolvers<string>()
      call.onOp({
        name,
        payload: Buffer.from(payload),
        cpuMs: 0,
        spent: () => {},
        reply: (reply) => answer.resolve(Array.isArray(reply) ? reply.map(String).join('\n') : String(reply)),
        refuse: (refusal) => answer.resolve(JSON.stringify(refusal)),
      })
      return answer.promise
    }
    // What fails is the test's to see, not the host's.
    await work(send).then(worked.resolve, worked.reject)
    return { cpuMs: 0, result: Buffer.from('null'), failure: undefined }
  }
  await Promise.all([worked.promise, lyceum.call('GET', `/v1/queries/${path}`)])
}
