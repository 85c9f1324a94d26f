/**
 * The story of README.md with the real npm, outside of the clone: from an empty folder to a published plugin whose
 * page is on the screen of a real browser. Prints how long each part took, and fails where all of it takes more than
 * a minute of the machine's time: on a busy machine the clock says more.
 *
 * Arguments: `[picture]`, where to keep a picture of the page.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { startBrowser } from '../support/browser.ts'
import { spawnHost } from '../support/spawned-host.ts'
import { firstPlugin, type Means, run } from './story.ts'

const MOST_MS = 60_000
/** The unit in which Linux tells CPU time. */
const TICK_MS = 10
const [picture] = process.argv.slice(2)

/** As in a terminal of the author's: nothing of the clone, nor of what runs this. */
const env = Object.fromEntries(
  Object.entries({
    ...process.env,
    PATH: (process.env.PATH ?? '')
      .split(delimiter)
      .filter((path) => !path.includes('node_modules'))
      .join(delimiter),
  }).filter(
    ([name]) =>
      !/^(?:npm_|INIT_CWD$|NODE_|CI$)/.test(name) || /^npm_config_(?:registry|cache|userconfig)$/.test(name),
  ),
)
/** What was fetched before is not fetched again. */
const QUICK = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

const startedMs = performance.now()
await tell()
const wallMs = performance.now() - startedMs
const machineMs = await cpuMs()
print('in all', wallMs)
print('CPU time', machineMs)
if (Math.min(wallMs, machineMs) > MOST_MS)
  throw new Error('From an empty folder to the page took more than a minute.')

async function tell(): Promise<void> {
  const empty = await mkdtemp(join(tmpdir(), 'lyceum-author-'))
  const dataDir = await mkdtemp(join(tmpdir(), 'lyceum-host-'))
  const browser = startBrowser()
  const host = await spawnHost(dataDir, [])
  print('host started', performance.now() - startedMs)
  try {
    const { steps, text, screenshot } = await firstPlugin(empty, host, dataDir, means(host.url), browser)
    for (const { name, ms } of steps) print(name, ms)
    console.log(`\n${text}\n`)
    if (picture !== undefined) await writeFile(picture, screenshot)
  } finally {
    await (await browser).close()
    await host.stop('SIGTERM')
    await Promise.all([empty, dataDir].map((folder) => rm(folder, { recursive: true })))
    await forgetNpx(sdkAt(host.url))
  }
}

function sdkAt(hostUrl: string): string {
  return `${hostUrl}/sdk.tgz`
}

function means(hostUrl: string): Means {
  const npx = ['--yes', '--package', sdkAt(hostUrl), ...QUICK, '--']
  return {
    lyceum: (cwd, words) => run('npx', [...npx, 'lyceum', ...words], { cwd, env }),
    install: async (cwd) => void (await run('npm', ['install', ...QUICK], { cwd, env })),
    script: (cwd, name, words = []) => run('npm', ['run', name, '--', ...words], { cwd, env }),
  }
}

/** npx keeps what it has installed for each address; nobody will ask for this one again. */
async function forgetNpx(address: string): Promise<void> {
  const cache = join((await run('npm', ['config', 'get', 'cache'], { cwd: tmpdir(), env })).trim(), '_npx')
  for (const name of await readdir(cache).catch(() => [])) {
    const kept = await readFile(join(cache, name, 'package.json'), 'utf8').catch(() => '')
    if (kept.includes(address)) await rm(join(cache, name), { recursive: true })
  }
}

/** CPU time of this process and of all that it has started, which have ended; infinite where nobody tells. */
async function cpuMs(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'utf8').catch(() => '')
  const times = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
  return times.length < 4
    ? Number.POSITIVE_INFINITY
    : times.reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS
}

function print(name: string, ms: number): void {
  console.log(`${name.padEnd(20)}${(ms / 1000).toFixed(1).padStart(6)} s`)
}
