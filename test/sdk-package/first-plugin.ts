/**
 * The story of README.md with the real npm, outside of the clone: from an empty folder to a published plugin whose
 * page is on the screen of a real browser. Prints how long each part took, and fails where all of it takes longer
 * than a minute: run it while the machine does nothing else.
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
const empty = await mkdtemp(join(tmpdir(), 'lyceum-author-'))
const dataDir = await mkdtemp(join(tmpdir(), 'lyceum-host-'))
const browser = startBrowser()
const host = await spawnHost(dataDir, [])
const npx = ['--yes', '--package', `${host.url}/sdk.tgz`, ...QUICK, '--']
const means: Means = {
  lyceum: (cwd, words) => run('npx', [...npx, 'lyceum', ...words], { cwd, env }),
  install: async (cwd) => void (await run('npm', ['install', ...QUICK], { cwd, env })),
  script: (cwd, name, words = []) => run('npm', ['run', name, '--', ...words], { cwd, env }),
}
try {
  const hostMs = performance.now() - startedMs
  const { steps, text, screenshot } = await firstPlugin(empty, host, dataDir, means, browser)
  const totalMs = performance.now() - startedMs
  const rows = [{ name: 'host started', ms: hostMs }, ...steps, { name: 'in all', ms: totalMs }]
  for (const { name, ms } of rows) console.log(`${name.padEnd(20)}${(ms / 1000).toFixed(1).padStart(6)} s`)
  console.log(`\nThe page:\n${text}`)
  if (picture !== undefined) await writeFile(picture, screenshot)
  if (totalMs > MOST_MS) throw new Error('From an empty folder to the page took longer than a minute.')
} finally {
  await (await browser).close()
  await host.stop('SIGTERM')
  await Promise.all([empty, dataDir].map((folder) => rm(folder, { recursive: true })))
  await forgetNpx(`${host.url}/sdk.tgz`)
}

/** npx keeps what it has installed for each address; nobody will ask for this one again. */
async function forgetNpx(address: string): Promise<void> {
  const cache = join((await run('npm', ['config', 'get', 'cache'], { cwd: tmpdir(), env })).trim(), '_npx')
  for (const name of await readdir(cache).catch(() => [])) {
    const kept = await readFile(join(cache, name, 'package.json'), 'utf8').catch(() => '')
    if (kept.includes(address)) await rm(join(cache, name), { recursive: true })
  }
}
