import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { signInLink } from '../../host/auth/sign-in.ts'
import type { Claims } from '../../host/auth/tokens.ts'
import { bundlePlugin } from '../../workbench/bundle.ts'
import { signedIn, startBrowser } from '../support/browser.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { longTest } from '../support/long.ts'
import { barriersOf } from './accessibility.ts'

const BIOLOGY = 'course-v1:Uni+BIO+2026'
const HISTORY = 'course-v1:Uni+HIS+2026'
const ADMIN: Claims = { role: 'admin' }
const STUDENT: Claims = { role: 'student', user: 'sam', courses: [BIOLOGY] }

const TRIALS = `
  import { html, onEvent, t, view } from '@lyceum/sdk'
  export const finish = onEvent('finish', ({ db }) => db.collection('gates').insertOne({ _id: 'slow' }))
  export const slow = view(async ({ db, progress }) => {
    progress(0.5, 'half of it')
    while (await db.collection('gates').findOne({ _id: 'slow' }) === null);
    return html\`<p>all of it</p>\`
  })
  /** Computes for ever. */
  export const endless = view(() => { for (;;); })
  export const broken = view(({ params }) => { throw new Error('<b>no luck</b>') })
  export const progress = view(({ course, user }) => html\`<p>\${user} in \${course}</p>\`)
  export const long = view({ params: { text: t.string({ max: 10_000 }) } },
    ({ params }) => html\`<p>\${params.text.length} characters</p>\`)
  export const chosen = view({ params: {
    level: t.enum(['low', 'high'], { default: 'low' }), since: t.date().optional(),
    most: t.number({ default: 3, min: 1, max: 9, integer: true }), word: t.string(), loud: t.boolean({ default: false }),
  } }, ({ params }) => html\`<p>\${params.word} \${params.most} \${params.level} \${params.loud ? 'loud' : 'quiet'}</p>\`)`

let lyceum: TestHost
let browser: Browser

beforeAll(async () => {
  ;[lyceum, browser] = await Promise.all([startHost(), startBrowser()])
  for (const id of ['hello', 'activity', 'video']) {
    const body = await bundlePlugin(join(import.meta.dirname, '../../plugins', id))
    expect((await lyceum.call('POST', `/v1/plugins/${id}/versions`, { body })).status).toBe(201)
  }
  expect((await lyceum.publish('trials', TRIALS)).status).toBe(201)
  await lyceum.send(
    [HISTORY, BIOLOGY].flatMap((course_id) =>
      ['sam', 'ann'].map((username) => ({
        event_type: 'play_video',
        event_source: 'browser',
        time: '2026-03-01T10:00:00Z',
        username,
        context: { course_id },
        event: { id: 'intro' },
      })),
    ),
  )
})
afterAll(async () => {
  await browser.close()
  await lyceum.dispose()
})

async function pageOf(claims: Claims, options?: BrowserContextOptions): Promise<Page> {
  const context = await signedIn(browser, lyceum, claims, options)
  onTestFinished(() => context.close())
  return context.newPage()
}

async function strangersPage(): Promise<Page> {
  const context = await browser.newContext({ baseURL: lyceum.url })
  onTestFinished(() => context.close())
  return context.newPage()
}

describe('signing in', () => {
  test('works once with the printed link', async () => {
    const link = await signInLink(lyceum.host.keys, lyceum.url)
    const first = await strangersPage()
    await first.goto(link)
    expect(first.url()).toBe(`${lyceum.url}/`)
    expect(await first.getByText('Signed in as').innerText()).toBe('Signed in as admin')
    const second = await strangersPage()
    expect((await second.goto(link))?.status()).toBe(401)
    expect(await second.getByRole('heading').innerText()).toBe('The sign-in link was used already')
    await second.goto('/')
    expect(await second.getByRole('heading').innerText()).toBe('Sign in first')
  })

  test('ends with the button', async () => {
    const page = await pageOf(ADMIN)
    await page.goto('/')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    expect((await page.goto('/'))?.status()).toBe(401)
  })
})

describe('the first page', () => {
  longTest('leads to a view by keyboard alone', async () => {
    const page = await pageOf(ADMIN)
    await page.goto('/')
    await page.keyboard.press('Tab')
    expect(await page.locator(':focus').innerText()).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim())
    for (let tabs = 0; tabs < 50 && (await focused()) !== 'Most played videos'; tabs++)
      await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Most played videos' }).waitFor()
    await page.frameLocator('iframe').getByText('intro').waitFor()
  })

  longTest('is about one course at a time, at first the one that was busy last', async () => {
    const page = await pageOf(ADMIN)
    await page.goto('/')
    expect(await page.getByLabel('Course', { exact: true }).inputValue()).toBe(BIOLOGY)
    await page.getByLabel('Course', { exact: true }).selectOption(HISTORY)
    await page.getByRole('button', { name: 'Set course' }).click()
    await page.getByRole('link', { name: 'Active learners', exact: true }).click()
    expect(new URL(page.url()).searchParams.get('course')).toBe(HISTORY)
    await page.frameLocator('iframe').getByRole('img', { name: 'Active learners by Day' }).waitFor()
  })

  test('asks for what a view needs, and opens it', async () => {
    const page = await pageOf(ADMIN)
    await page.goto('/')
    const form = page.getByRole('form', { name: 'Greet' })
    await form.getByLabel('Person').fill('ann')
    await form.getByRole('button').click()
    await page.frameLocator('iframe').getByRole('heading', { name: 'Hello ann' }).waitFor()
  })

  longTest('lists queries for those who write programs, and no others', async () => {
    const queries = async (claims: Claims) => {
      const page = await pageOf(claims)
      await page.goto('/')
      return page.getByRole('heading', { name: 'Queries' }).count()
    }
    expect(await queries(ADMIN)).toBe(1)
    expect(await queries({ role: 'author', user: 'pat', courses: [BIOLOGY] })).toBe(1)
    expect(await queries({ role: 'instructor', user: 'ina', courses: [BIOLOGY] })).toBe(0)
    expect(await queries(STUDENT)).toBe(0)
  })

  test('offers an instructor the courses of the token, and no others', async () => {
    const page = await pageOf({ role: 'instructor', user: 'ina', courses: [HISTORY] })
    await page.goto('/')
    const text = await page.locator('main').innerText()
    expect(text).toContain(HISTORY)
    expect(text).not.toContain(BIOLOGY)
  })

  test('offers a token of one plugin that plugin only', async () => {
    const page = await pageOf({ role: 'admin', plugins: ['hello'] })
    await page.goto('/')
    expect(await page.getByRole('heading', { level: 2 }).allInnerTexts()).toEqual(['Hello'])
  })
})

describe('a student', () => {
  test('is offered what is about themselves, and never asked who they are', async () => {
    const page = await pageOf(STUDENT)
    await page.goto('/')
    const titles = await page.getByRole('heading', { level: 3 }).allInnerTexts()
    expect(titles).toEqual(expect.arrayContaining(['Greet', 'Progress']))
    expect(titles).not.toContain('Active learners')
    expect(titles).not.toContain('Most played videos')
    expect(await page.getByLabel('Person').count()).toBe(0)
    await page.getByRole('link', { name: 'Progress' }).click()
    await page.frameLocator('iframe').getByText(`sam in ${BIOLOGY}`).waitFor()
  })

  test('sees their own name, and cannot ask for another', async () => {
    const page = await pageOf(STUDENT)
    await page.goto('/views/hello/greet')
    await page.frameLocator('iframe').getByRole('heading', { name: 'Hello sam' }).waitFor()
    expect((await page.goto('/views/hello/greet?user=ann'))?.status()).toBe(403)
    expect(await page.locator('main').innerText()).toContain('You may see only your own')
    expect((await page.goto(`/views/activity/perDay?course=${encodeURIComponent(BIOLOGY)}`))?.status()).toBe(
      403,
    )
  })
})

describe('the page of a view', () => {
  test('says what it is about, and how fresh', async () => {
    const page = await pageOf(ADMIN)
    await page.goto(`/views/trials/progress?user=ann&course=${encodeURIComponent(BIOLOGY)}`)
    expect(await page.locator('dl').innerText()).toMatch(/Course[\s\S]*BIO[\s\S]*Person[\s\S]*ann/)
    expect(await page.locator('main').innerText()).toContain('Data as of event 4 of the log · trials 1.0.0')
    await page.frameLocator('iframe').getByText(`ann in ${BIOLOGY}`).waitFor()
    expect(await page.getByRole('status').innerText()).toBe('')
  })

  longTest('is there at once, works while the view works, and shows that the view hit a limit', async () => {
    // However busy the machine is, its CPU time is what ends it.
    await lyceum.call('PATCH', '/v1/plugins/trials/quota', { body: { wallMs: 30_000 } })
    const page = await pageOf(ADMIN)
    await page.goto('/views/trials/endless', { waitUntil: 'domcontentloaded' })
    expect(await page.getByRole('status').innerText()).toBe('Working…')
    await page
      .frameLocator('iframe')
      .getByRole('alert')
      .getByText('The plugin used up its CPU time')
      .waitFor()
    await page.locator('#status:empty').waitFor({ state: 'attached' })
  })

  longTest('shows how far a view is that takes its time', async () => {
    const longer = { cpuMsPerCall: 30_000, wallMs: 60_000, opsPerCall: 1_000_000 }
    await lyceum.call('PATCH', '/v1/plugins/trials/quota', { body: longer })
    const page = await pageOf(ADMIN)
    await page.goto('/views/trials/slow', { waitUntil: 'domcontentloaded' })
    const bar = page.getByRole('progressbar', { name: 'Progress of Slow' })
    expect(await bar.count()).toBe(0)
    await page.getByText('Working… 50 % · half of it').waitFor()
    expect(await bar.getAttribute('value')).toBe('0.5')
    await lyceum.send([{ event_type: 'finish' }])
    await page.frameLocator('iframe').getByText('all of it').waitFor()
    await bar.waitFor({ state: 'detached' })
    const usual = { cpuMsPerCall: 2_000, wallMs: 10_000, opsPerCall: 10_000 }
    await lyceum.call('PATCH', '/v1/plugins/trials/quota', { body: usual })
  })

  test('shows an error as text, with the author’s lines for those who may see them', async () => {
    const frameText = async (claims: Claims) => {
      const page = await pageOf(claims)
      await page.goto('/views/trials/broken')
      const alert = page.frameLocator('iframe').getByRole('alert')
      await alert.getByText('<b>no luck</b>').first().waitFor()
      return alert.innerText()
    }
    expect(await frameText(ADMIN)).toMatch(/plugin\.ts:11:/)
    expect(await frameText(STUDENT)).not.toContain('plugin.ts')
  })

  test('lets parameters be changed, each with a fitting field', async () => {
    const page = await pageOf(ADMIN)
    await page.goto('/views/trials/chosen?word=deer')
    await page.frameLocator('iframe').getByText('deer 3 low quiet').waitFor()
    await page.getByLabel('most').fill('7')
    await page.getByLabel('level').selectOption('high')
    await page.getByLabel('loud').selectOption('true')
    await page.getByRole('button', { name: 'Show' }).click()
    await page.frameLocator('iframe').getByText('deer 7 high loud').waitFor()
  })

  test('says which parameter does not fit, and keeps what was filled in', async () => {
    const page = await pageOf(ADMIN)
    expect((await page.goto('/views/trials/chosen?word=deer&most=70'))?.status()).toBe(400)
    expect(await page.getByRole('alert').innerText()).toContain('a whole number from 1 to 9')
    expect(await page.getByLabel('word').inputValue()).toBe('deer')
    expect(await page.locator('iframe').count()).toBe(0)
    await page.goto('/views/trials/chosen')
    expect(await page.getByRole('alert').innerText()).toBe('Fill in “word” to see this.')
  })

  test('refuses parameters that are too long for the address of a frame', async () => {
    const page = await pageOf(ADMIN)
    const address = (length: number) => `/views/trials/long?text=${'x'.repeat(length)}`
    await page.goto(address(7_000))
    await page.frameLocator('iframe').getByText('7000 characters').waitFor()
    expect((await page.goto(address(8_000)))?.status()).toBe(400)
    expect(await page.getByRole('alert').innerText()).toContain('too long together')
  })

  test('escapes what comes from the address and from plugins', async () => {
    const page = await pageOf(ADMIN)
    const hostile = '"><script>document.title = 1</script>'
    await page.goto(`/views/trials/chosen?word=${encodeURIComponent(hostile)}`)
    expect(await page.getByLabel('word').inputValue()).toBe(hostile)
    expect(await page.title()).toBe('Chosen · Lyceum')
  })

  test('has a fresh frame when one comes back to it', async () => {
    const page = await pageOf(ADMIN)
    await page.goto('/views/hello/hello')
    const before = await page.locator('iframe').getAttribute('src')
    await page.getByRole('link', { name: 'All views' }).click()
    await page.getByRole('heading', { name: 'Views', exact: true }).waitFor()
    await page.goBack()
    await page.frameLocator('iframe').getByRole('heading', { name: 'Hello world!' }).waitFor()
    const after = await page.locator('iframe').getAttribute('src')
    expect(after).not.toBe(before)
    expect(page.frames()[1]?.url()).toBe(lyceum.url + after)
  })

  test('names what does not exist', async () => {
    const page = await pageOf(ADMIN)
    expect((await page.goto('/views/hello/helo'))?.status()).toBe(404)
    expect(await page.locator('main').innerText()).toContain('hello')
  })

  test('works without JavaScript', async () => {
    const page = await pageOf(ADMIN, { javaScriptEnabled: false })
    await page.goto('/')
    await page.getByRole('link', { name: 'Most played videos' }).click()
    await page.frameLocator('iframe').getByText('intro').waitFor()
    const frame = await page.locator('iframe').boundingBox()
    expect(frame?.height).toBeGreaterThan(300)
    await page.getByLabel('Course', { exact: true }).selectOption(HISTORY)
    await page.getByRole('button', { name: 'Show' }).click()
    expect(new URL(page.url()).searchParams.get('course')).toBe(HISTORY)
  })
})

describe.each(['light', 'dark'] as const)('in a %s scheme', (colorScheme) => {
  test.each([
    '/',
    '/views/trials/chosen',
    '/views/trials/chosen?word=deer',
    `/views/video/popular?course=${encodeURIComponent(BIOLOGY)}`,
  ])('%s keeps nobody out, on a small screen either', async (path) => {
    const page = await pageOf(ADMIN, { colorScheme, viewport: { width: 360, height: 740 } })
    await page.goto(path)
    expect(await barriersOf(page)).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
  })
})

describe('files of pages', () => {
  test('are kept by browsers for good, under an address that changes with them', async () => {
    const { text } = await lyceum.call('GET', '/')
    const path = /href="(\/assets\/[^"]+)"/.exec(text)?.[1] ?? ''
    const answer = await fetch(lyceum.url + path)
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(answer.headers.get('content-type')).toBe('text/css; charset=utf-8')
    expect((await fetch(lyceum.url + path.replace(/\.[0-9a-f]{16}\./, '.0000000000000000.'))).status).toBe(
      404,
    )
  })
})
