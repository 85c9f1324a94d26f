/** `npm run soak [-- --short | --minutes N --kills N --seed TEXT]`: see test/README.md. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { soak } from './soak.ts'

const number = (text: string) => {
  const value = Number(text)
  if (!(value >= 0)) throw new InvalidArgumentError('write a number.')
  return value
}

const program = new Command('soak')
  .description('Mixed load on a host of its own, while its processes are killed and its plugins changed.')
  .option('--minutes <n>', 'how long the load lasts, beside what kills take', number, 5)
  .option('--kills <n>', 'how many processes are killed meanwhile', number, 100)
  .option('--seed <text>', 'repeats the choices of an earlier run (default: LYCEUM_SEED, else a new one)')
  .option('--short', 'a minute and 12 kills')
  .parse()
const options = program.opts<{ minutes: number; kills: number; seed?: string; short?: boolean }>()
const seed = options.seed ?? process.env.LYCEUM_SEED ?? String(Date.now() % 1_000_000)
const { minutes, kills } = options.short ? { minutes: 0.5, kills: 12 } : options

const dataDir = await mkdtemp(join(tmpdir(), 'lyceum-soak-'))
console.log(`LYCEUM_SEED=${seed}: ${minutes} minutes, ${kills} kills, in ${dataDir}`)
const problems = await soak({ dataDir, seed, loadMs: minutes * 60_000, kills }).catch((error: unknown) => {
  console.error(error)
  return ['the soak itself failed']
})
if (problems.length === 0) {
  await rm(dataDir, { recursive: true, force: true })
  await rm(`${dataDir}.told.json`, { force: true })
} else
  console.error(`FAILED with ${problems.length} problems. LYCEUM_SEED=${seed}; the data stay in ${dataDir}`)
process.exit(problems.length === 0 ? 0 : 1)
