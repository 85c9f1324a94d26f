import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Dev, openDev } from '../../workbench/dev/dev.ts'
import { DevEvents } from '../../workbench/dev/events.ts'
import type { DevRecord } from '../../workbench/dev/records.ts'
import { writeHostSamples } from '../../workbench/stand-ins.ts'
import { barriersOf } from '../browser/accessibility.ts'
import { startBrowser } from '../support/browser.ts'
import { longTest } from '../support/long.ts'

const BIOLOGY = 'course-v1:Uni+BIO+2026'
const HISTORY = 'course-v1:Uni+HIS+2026'

const PLUGIN = `import { cron, html, onEvent, query, t, view } from '@lyceum/sdk'

interface Play { _id: string; n: number }

/** Counts plays. */
export const count = onEvent('play_video', async ({ events, db, log, now }) => {
  for (const { event } of events) {
    if (event.id === 'torn' && now() < new Date('2030-01-01')) throw new Error('a torn tape')
    await db.collection<Play>('plays').updateOne({ _id: event.id }, { $inc: { n: 1 } }, { upsert: true })
  }
  log.info('counted ' + events.length)
})

/** The videos. */
export const top = query({ params: { most: t.number({ default: 9 }) } }, ({ db, params }) =>
  db.collection<Play>('plays').find().sort({ _id: 1 }).limit(params.most).toArray())

export const greeting = view(({ user, course, now }) =>
  html\`<p>Good morning \${user} of \${course} on \${now().toISOString().slice(0, 10)}</p>\`)

export const whole = view(({ course }) => html\`<p>All of \${course}</p>\`)

export const night = cron('0 3 * * *', ({ db, now }) =>
  db.collection('nights').insertOne({ _id: now().toISOString().slice(0, 10) }))

export const nights = query(({ db }) => db.collection('nights').find().toArray())
`

const GRADES = {
  id: 'grades',
  queries: [
    { name: 'list', title: 'List', dimensions: [], params: {}, names: [], sample: [{ user: 'ann' }] },
  ],
}

let dir: string
let dev: Dev
let browser: Browser
let page: Page

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lyceum-dev-'))
  await save('package.json', '{ "name": "plays", "version": "1.0.0" }')
  await save('plugin.ts', PLUGIN)
  ;[dev, browser] = await Promise.all([
    openDev({ dir, events: { name: 'a test', lines: plays } }),
    startBrowser(),
  ])
  await dev.loaded()
  page = await browser.newPage({ baseURL: dev.workbench.url })
  page.setDefaultTimeout(60_000)
})
afterAll(async () => {
  await browser.close()
  await dev.close()
  await rm(dir, { recursive: true })
})

async function* plays(): AsyncGenerator<string> {
  for (const [id, username, course_id] of [
    ['intro', 'ann', BIOLOGY],
    ['intro', 'sam', HISTORY],
    ['outro', 'ann', BIOLOGY],
  ])
    yield JSON.stringify({
      event_type: 'play_video',
      time: `2026-03-01T10:00:00Z`,
      username,
      context: { course_id },
      event: { id },
    })
}

function save(file: string, text: string): Promise<void> {
  return writeFile(join(dir, file), text)
}

/** What is told of a kind from now on. */
function told<Type extends DevRecord['type']>(type: Type): Promise<Extract<DevRecord, { type: Type }>> {
  return new Promise((resolve) => {
    const end = dev.records.listen((record) => {
      if (!is(record, type)) return
      end()
      resolve(record)
    })
  })
}
function is<Type extends DevRecord['type']>(
  record: DevRecord,
  type: Type,
): record is Extract<DevRecord, { type: Type }> {
  return record.type === type
}

/** Saves the plugin with something else in it, and puts it back when the test is over. */
async function change(from: string | RegExp, to: string): Promise<void> {
  onTestFinished(async () => {
    const [again, rebuilt] = [told('reload'), told('rebuilt')]
    // Never what runs already, which would be no reload.
    restored += 1
    await save('plugin.ts', `${PLUGIN}// ${restored}`)
    // The next test begins with data that are those of its handlers.
    if ((await again).data === 'rebuilding') await rebuilt
  })
  expect(PLUGIN).toMatch(from)
  await save('plugin.ts', PLUGIN.replace(from, to))
}
let restored = 0

/** How many frames the page holds, shown or not. */
async function framesInMemory(): Promise<unknown> {
  const session = await page.context().newCDPSession(page)
  const { result } = await session.send('Runtime.evaluate', { expression: 'HTMLIFrameElement.prototype' })
  const { objects } = await session.send('Runtime.queryObjects', { prototypeObjectId: result.objectId ?? '' })
  const { result: count } = await session.send('Runtime.callFunctionOn', {
    objectId: objects.objectId ?? '',
    functionDeclaration: 'function () { return this.length }',
  })
  await session.detach()
  return count.value
}

const open = (query: string) => page.goto(`/dev?${query}`)
const viewText = () => page.frameLocator('#view').locator('body')
const part = (name: string) => page.locator(`[data-part="${name}"]`)

describe('a save', () => {
  test('of a view is on the page, which stays where it was, and the data are kept', async () => {
    await open('dev-show=view/greeting&user=sam&dev-role=admin')
    await viewText().getByText('Good morning sam').waitFor()
    const reloaded = told('reload')
    await change('Good morning', 'Good evening')
    await viewText().getByText('Good evening sam').waitFor()
    // Who edits all day has hundreds of frames after each other.
    await vi.waitFor(async () => expect(await framesInMemory()).toBe(1), 20_000)
    expect(page.url()).toContain('user=sam')
    expect(await reloaded).toMatchObject({ files: ['plugin.ts'], data: 'kept' })
    await part('status').getByText('its data are kept').waitFor()
    await page.goto('/dev?dev-show=query/top')
    await part('result').getByRole('cell', { name: 'intro' }).waitFor()
  })

  test('of a handler has the data made anew by it, and says so', async () => {
    await open('dev-show=query/top')
    await part('result').getByRole('row', { name: 'intro 2' }).waitFor()
    const [reloaded, rebuilt] = [told('reload'), told('rebuilt')]
    await change('$inc: { n: 1 }', '$inc: { n: 10 }')
    expect(await reloaded).toMatchObject({ data: 'rebuilding', because: 'the handler count changed' })
    expect(await rebuilt).toMatchObject({ state: 'done' })
    await part('result').getByRole('row', { name: 'intro 20' }).waitFor()
    await part('status').getByText('made anew, because the handler count changed').waitFor()
  })

  longTest(
    'tells what a publish would wait for, and keeps the data where only an index is declared',
    async () => {
      const [reloaded, needs] = [told('reload'), told('needs')]
      await open('')
      await change(
        /import \{ cron,(.*)export const night = cron\('0 3 \* \* \*',/s,
        "import { collection, cron,$1export const days = collection({ indexes: [{ n: 1 }] })\nexport const night = cron({ schedule: '0 3 * * *', asUsers: true },",
      )
      expect(await reloaded).toMatchObject({ data: 'kept', because: '' })
      expect(await needs).toMatchObject({ needs: ['identities'] })
      await part('publish').getByText('waits for an admin, who has to approve: identities').waitFor()
    },
  )

  longTest('that comes while another is looked at is not lost', async () => {
    await open('dev-show=view/whole')
    await change('All of', 'First of')
    const first = told('reload')
    await save('plugin.ts', PLUGIN.replace('All of', 'Second of'))
    await first
    await save('plugin.ts', PLUGIN.replace('All of', 'Third of'))
    await viewText().getByText('Third of').waitFor()
  })

  longTest(
    'of what cannot be read leaves the last version running, and shows the line until it is mended',
    async () => {
      await open('dev-show=view/whole')
      const fault = told('fault')
      await change('({ course }) => html`<p>All of', '({ course }) => => html`<p>All of')
      const { places } = (await fault).fault
      expect(places).toMatchObject([{ source: 'plugin.ts', line: 21, column: 43 }])
      expect(places[0]?.frame).toMatch(
        /> 21 \| export const whole = view\(\(\{ course \}\) => => .*\n +\| {43}\^/,
      )
      await part('faults').getByText('plugin.ts:21:43').waitFor()
      await viewText().getByText('All of').waitFor()
      const mended = told('mended')
      await save('plugin.ts', PLUGIN)
      await mended
      await part('faults').getByText('plugin.ts').first().waitFor({ state: 'detached' })
    },
  )

  longTest(
    'of what the host refuses names the line, and so does one without plugin.ts or package.json',
    async () => {
      const refused = told('fault')
      await change('export const whole = view(({ course })', 'export const whole = view(({ cuorse })')
      expect((await refused).fault).toMatchObject({ code: 'manifest_refused', places: [{ line: 21 }] })
      const gone = told('fault')
      await rm(join(dir, 'plugin.ts'))
      expect((await gone).fault.message).toContain('no plugin.ts')
      const broken = told('fault')
      await save('plugin.ts', PLUGIN)
      await save('package.json', '{ "name": "plays", ')
      expect((await broken).fault.code).toBe('package_invalid')
      const renamed = told('fault')
      await save('package.json', '{ "name": "others", "version": "1.0.0" }')
      expect((await renamed).fault.message).toContain('plays runs here')
      const mended = told('mended')
      await save('package.json', '{ "name": "plays", "version": "1.0.0" }')
      await mended
      expect(dev.faults.all).toEqual([])
    },
  )

  test('is not seen while only half of a file is written', async () => {
    const next = Promise.race([told('fault'), told('reload')])
    await change(/.*/s, PLUGIN.slice(0, PLUGIN.indexOf('sort')))
    await save('plugin.ts', PLUGIN.replace('All of', 'The whole of'))
    expect((await next).type).toBe('reload')
  })
})

describe('what goes wrong while it runs', () => {
  test('in a view is shown with the author’s own line, to whoever looks', async () => {
    await change('html`<p>All of', "JSON.parse('oh') && html`<p>All of")
    const fault = told('fault')
    await open('dev-show=view/whole&dev-role=instructor')
    expect((await fault).fault).toMatchObject({
      endpoint: 'whole',
      places: [{ source: 'plugin.ts', line: 21 }],
    })
    await part('faults').getByText('plugin.ts:21:').first().waitFor()
    expect(await part('faults').locator('pre').first().innerText()).toContain(
      "> 21 | export const whole = view(({ course }) => JSON.parse('oh')",
    )
  })

  test('in a handler is shown with the event that is put aside, which can be tried again', async () => {
    const fault = told('fault')
    await dev.workbench.send([
      JSON.stringify({ event_type: 'play_video', time: '2026-03-02', event: { id: 'torn' } }),
    ])
    expect((await fault).fault).toMatchObject({ endpoint: 'count', places: [{ line: 8 }] })
    await dev.workbench.settled()
    await open('')
    await part('activity').getByText('1 dead letter').waitFor()
    await dev.setClock({ fromMs: Date.parse('2030-06-01'), speed: 1 })
    onTestFinished(() => dev.setClock({ fromMs: null, speed: 1 }))
    await part('activity').getByRole('button', { name: 'Try them again' }).click()
    await part('activity').getByText('dead letter').waitFor({ state: 'detached' })
  })
})

describe('the page', () => {
  test('shows to a student what is theirs, and nothing of a whole course', async () => {
    await open('dev-show=view/greeting&dev-role=student&user=ann')
    await viewText().getByText('Good morning ann').waitFor()
    await page.getByLabel('Student').selectOption('sam')
    await viewText().getByText('Good morning sam').waitFor()
    await page.getByRole('link', { name: 'whole' }).click()
    await part('result').getByText('it is for its instructors').waitFor()
    await page.getByLabel('Role').selectOption('instructor')
    await viewText().getByText('All of').waitFor()
    await page.getByLabel('Course').selectOption(HISTORY)
    await viewText().getByText(`All of ${HISTORY}`).waitFor()
  })

  longTest('sets the time of the plugin, and jobs that come due run', async () => {
    await open('dev-show=view/greeting')
    await page.getByLabel('Begin at').fill('2031-05-06T07:08')
    await page.getByRole('button', { name: 'Set the time' }).click()
    await viewText().getByText('on 2031-05-06').waitFor()
    await page.getByRole('link', { name: 'nights' }).click()
    await part('result').getByRole('cell', { name: '2031-05-06' }).waitFor()
    await page.getByLabel('How it passes').selectOption('a day a second')
    await page.getByRole('button', { name: 'Set the time' }).click()
    // A machine that is held up for seconds leaps over days.
    await part('result')
      .getByRole('cell', { name: /2031-(?!05-06)/ })
      .first()
      .waitFor()
    await dev.setClock({ fromMs: null, speed: 1 })
  })

  test('shows a query with its parameters as a table', async () => {
    await open('dev-show=query/top&most=1')
    await part('result').getByText('1 rows').waitFor()
    expect(await part('result').getByRole('row').allInnerTexts()).toEqual(['_id\tn', 'intro\t2'])
  })

  test('says of a query that asks a plugin which is not here that it shows samples', async () => {
    const missing = told('fault')
    await change(
      'export const nights',
      `export const best = query(({ plugins: { grades } }) => grades.list())\n$&`,
    )
    expect((await missing).fault.message).toMatch(/--with \.\.\/grades; .* npx lyceum types --url HOST\.$/)
    await writeHostSamples(dir, { plugins: [GRADES] }, 'plays')
    const reloaded = told('reload')
    await save('plugin.ts', await readFile(join(dir, 'plugin.ts'), 'utf8'))
    await reloaded
    await open('dev-show=query/best')
    await part('result').getByText('Sample data.').waitFor()
    await open('dev-show=query/top')
    await part('result').getByText('rows').first().waitFor()
    expect(await part('result').getByText('Sample data.').count()).toBe(0)
  })

  test('sends more learners, and has all events handled anew', async () => {
    const { log } = dev.workbench.host
    const head = log.head()
    await dev.events.addLearners(1)
    expect(log.head()).toBeGreaterThan(head)
    const rebuilt = told('rebuilt')
    await open('')
    await page.getByRole('button', { name: 'Handle all events anew' }).click()
    expect(await rebuilt).toMatchObject({ state: 'done', events: log.head() })
  })

  test('has no barriers, wide and narrow, light and dark', async () => {
    for (const [width, colorScheme] of [
      [1280, 'light'],
      [390, 'dark'],
    ] as const) {
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme })
      await open('dev-show=view/whole')
      await viewText().getByText('All of').waitFor()
      await page.locator('.settings').evaluate((details) => details.setAttribute('open', ''))
      expect(await barriersOf(page)).toEqual([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
    }
  })

  test('answers nobody but its own pages', async () => {
    const { url } = dev.workbench
    const [rebound] = await once(get(`${url}/dev`, { headers: { host: 'evil.example' } }), 'response')
    expect(rebound.resume().statusCode).toBe(421)
    const strangers: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'http://evil.example' },
      {},
    ]
    for (const headers of strangers) {
      const forged = await fetch(`${url}/dev/clock`, {
        method: 'POST',
        headers,
        body: new URLSearchParams({ speed: '0' }),
      })
      expect(forged.status).toBe(403)
    }
    const opened = await fetch(`${url}/dev/open`, { headers: { 'sec-fetch-site': 'cross-site' } })
    expect([opened.status, opened.headers.get('set-cookie')]).toEqual([403, null])
    const { headers } = await fetch(`${url}/dev`)
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
  })

  test('opens a view as its viewer has it', async () => {
    await open('dev-show=view/greeting&dev-role=student&user=sam')
    await page.getByRole('link', { name: 'Open it as this viewer has it' }).click()
    await page.getByText('sam, student').waitFor()
    // No script of a page, be it the plugin's, reads the session.
    expect(await page.context().cookies()).toEqual([
      expect.objectContaining({ httpOnly: true, sameSite: 'Lax' }),
    ])
    await viewText().getByText('Good morning sam').waitFor()
  })
})

test('events are sent into an empty log only, and those that were kept are told', async () => {
  const { workbench } = dev
  const head = workbench.host.log.head()
  const records: DevRecord[] = []
  const tell = (record: DevRecord) => void records.push(record)
  const own = new DevEvents(workbench, { name: 'other.log', lines: plays }, tell)
  await own.load()
  await new DevEvents(workbench, undefined, tell).load()
  expect(workbench.host.log.head()).toBe(head)
  const kept = { type: 'events', accepted: head, rejected: 0, why: null }
  expect(records).toEqual([
    { ...kept, from: 'before, which --data kept; other.log is not read, only into an empty folder' },
    { ...kept, from: 'before, which --data kept' },
  ])
  expect(own.users).toEqual(expect.arrayContaining(['ann', 'sam']))
})

test('the page lists the collections with what is in them, so that a misspelt one is seen', async () => {
  await open('')
  const list = part('kept').getByRole('listitem')
  const [nights, plays = ''] = await list.allInnerTexts()
  expect([nights, plays]).toEqual([
    expect.stringMatching(/^nights\s1 document$/),
    expect.stringMatching(/^plays\s\d+ documents$/),
  ])
  const next = Number(/\d+/.exec(plays)?.[0]) + 1
  await dev.workbench.send([
    JSON.stringify({ event_type: 'play_video', time: '2026-03-03', event: { id: 'another' } }),
  ])
  await list.getByText(`${next} documents`).waitFor()
})
