import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { z } from 'zod'
import { loadKeys } from '../../host/auth/keys.ts'
import { issueToken } from '../../host/auth/tokens.ts'
import { course } from '../../sdk/testing/index.ts'
import type { SpawnedHost } from '../support/spawned-host.ts'

const exec = promisify(execFile)
const sample = course()

/** How somebody without a clone gets and runs Lyceum. */
export interface Means {
  /** Runs the command line, before there is a folder of a plugin. */
  lyceum(cwd: string, words: readonly string[]): Promise<string>
  /** Gets what a plugin's package.json names. */
  install(dir: string): Promise<void>
  /** Runs a script of a plugin's package.json. */
  script(dir: string, name: string, words?: readonly string[]): Promise<string>
}

/** One part of the story, and how long it took. */
export interface Step {
  readonly name: string
  readonly ms: number
}

/**
 * From an empty folder to a plugin whose page is on the screen: init, install, the author's test, the types, publish,
 * sign in, and a browser that shows the numbers of the sample course.
 *
 * @param empty an empty folder outside of the clone
 * @param dataDir that of the host
 * @returns what the page shows, and its picture
 * @throws where anything on the way fails, with what it said
 */
export async function firstPlugin(
  empty: string,
  host: SpawnedHost,
  dataDir: string,
  means: Means,
  browser: Promise<Browser>,
): Promise<{ steps: Step[]; text: string; screenshot: Buffer }> {
  const steps: Step[] = []
  const step = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const startedMs = performance.now()
    const result = await work()
    steps.push({ name, ms: performance.now() - startedMs })
    return result
  }
  const dir = join(empty, 'plays')
  await step('init', () => means.lyceum(empty, ['init', 'plays', '--url', host.url]))
  await step('npm install', () => means.install(dir))
  await step('npm test', () => means.script(dir, 'test'))
  await step('npm run check', () => means.script(dir, 'check'))
  await step('npm run publish', () => means.script(dir, 'publish', ['--data', dataDir]))
  const token = await issueToken(await loadKeys(dataDir), { role: 'admin' }, 600)
  await step('events handled', () => counted(host.url, token))
  const shown = await step('page in a browser', async () => pageOf(await browser, host))
  return { steps, ...shown }
}

/** What the page must show: how often the sample course's most played video was played. */
export const MOST_PLAYS = Math.max(...sample.truth().playsByVideo.values())

const Top = z.array(z.object({ n: z.int() }))

/** The handler reads the log from its start when it is published. */
async function counted(url: string, token: string): Promise<void> {
  const query = `${url}/v1/queries/plays/top?course=${encodeURIComponent(sample.id)}`
  for (;;) {
    const answer = await fetch(query, { headers: { authorization: `Bearer ${token}` } })
    if (Top.parse(await answer.json())[0]?.n === MOST_PLAYS) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function pageOf(browser: Browser, { url, signInLink }: SpawnedHost) {
  const page = await browser.newPage()
  await page.goto(signInLink)
  await page.goto(`${url}/?course=${encodeURIComponent(sample.id)}`)
  await page.getByRole('region', { name: 'plays' }).getByRole('link', { name: 'Popular' }).click()
  const view = page.frameLocator('iframe')
  await view
    .getByRole('cell', { name: String(MOST_PLAYS), exact: true })
    .first()
    .waitFor()
  const text = await view.locator('body').innerText()
  return { text, screenshot: await page.screenshot() }
}

/** Runs a program to its end. @throws with all that it printed, where it fails */
export async function run(
  program: string,
  words: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<string> {
  try {
    return (await exec(program, words, options)).stdout
  } catch (error) {
    const { stdout = '', stderr = '' }: { stdout?: string; stderr?: string } = Object(error)
    throw new Error(`${program} ${words.join(' ')} failed:\n${stdout}${stderr}`)
  }
}
