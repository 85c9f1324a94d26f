import { type BenchHost, withHost } from '../bench-host.ts'
import { type Figure, pairs, quantile, ratio, tookMs } from '../harness.ts'

const HOSTILE = ['hostileA', 'hostileB', 'hostileC']
const CALLS = 1_000
const TURNS = 5
/** About a third of the CPU time that a call may use: a plugin that breaks no more limits stays on probation. */
const SPINS = 150_000_000

const QUIET = `import { query } from '@lyceum/sdk'
export const answer = query(() => 42)
`
const SPINNING = `import { query } from '@lyceum/sdk'
export const endless = query(() => { for (;;); })
export const spin = query(() => { let x = 0; for (let i = 0; i < ${SPINS}; i++) x = (x * 31 + i) | 0; return x })
`

/** What a quiet plugin's slowest answers suffer from three that keep every core busy, once those are on probation. */
export const besideHostile: Figure = {
  name: "quiet plugin's p99 beside three hostile ones ÷ alone",
  unit: 'ratio',
  goal: 1.5,
  better: 'lower',
  measure: () =>
    withHost(async (bench) => {
      await published(bench, 'quiet', QUIET)
      for (const id of HOSTILE) await published(bench, id, SPINNING)
      await Promise.all(HOSTILE.map((id) => onProbation(bench, id)))
      const quietMs = () => p99Ms(bench)
      return ratio(await pairs(TURNS, () => beside(bench, quietMs), quietMs))
    }),
}

async function published(bench: BenchHost, id: string, source: string): Promise<void> {
  const answer = await bench.publish(id, source)
  if (answer.status !== 201) throw new Error(`${id} was refused: ${answer.text}`)
}

async function onProbation(bench: BenchHost, id: string): Promise<void> {
  await bench.call('GET', `/v1/queries/${id}/endless`)
  if (!bench.host.conduct.onProbation(id)) throw new Error(`${id} is not on probation`)
}

async function p99Ms({ client }: BenchHost): Promise<number> {
  const took: number[] = []
  for (let call = 0; call < CALLS; call++)
    took.push(await tookMs(() => client.call('/v1/queries/quiet/answer')))
  return quantile(took, 0.99)
}

/** Does work while all three spin, one call after the other. */
async function beside(bench: BenchHost, work: () => Promise<number>): Promise<number> {
  let over = false
  const spinning = HOSTILE.map(async (id) => {
    do await bench.client.call(`/v1/queries/${id}/spin`)
    while (!over)
  })
  try {
    return await work()
  } finally {
    over = true
    await Promise.all(spinning)
  }
}
