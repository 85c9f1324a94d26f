import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Claims } from '../../host/auth/tokens.ts'
import { signedIn, startBrowser } from '../support/browser.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { barriersOf } from './accessibility.ts'

const ADMIN: Claims = { role: 'admin' }
const ANN: Claims = { role: 'author', user: 'ann' }
const SOURCE = "import { query } from '@lyceum/sdk'\nexport const said = query(() => 's')"
const ASKER = `
  import { onEvent, query } from '@lyceum/sdk'
  export const said = query(({ plugins: { source, other } }) => source.said())
  export const hear = onEvent('said', ({ events, log }) => { log.info('heard <b>' + events.length + '</b>') })`
const OLD = `
  import { cron, onEvent, query } from '@lyceum/sdk'
  export const quiet = query(() => 1)
  export const tidy = cron('0 4 * * *', () => {})
  export const hear = onEvent('said', ({ events, log }) => { log.info('heard <b>' + events.length + '</b>') })`

let lyceum: TestHost
let browser: Browser
beforeAll(async () => {
  ;[lyceum, browser] = await Promise.all([startHost(), startBrowser()])
  await lyceum.publish('source', SOURCE)
  await lyceum.publish('other', SOURCE)
  const token = await lyceum.token(ANN)
  await lyceum.publish('asker', OLD, { token })
  await lyceum.publish('asker', ASKER, { version: '2.0.0', token })
  await lyceum.send([{ event_type: 'said' }])
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
const shown = async (id = 'asker') => (await lyceum.call('GET', `/v1/plugins/${id}`)).json
const status = (page: Page) => page.getByRole('status').innerText()

describe('the pages of plugins', () => {
  test.each<[string, BrowserContextOptions]>([
    ['on a desktop', {}],
    ['in the dark', { colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
  ])('have no barriers %s, and nothing is wider than the screen', async (_, options) => {
    const page = await pageOf(ADMIN, options)
    for (const path of ['/plugins', '/plugins/asker']) {
      expect((await page.goto(path))?.status()).toBe(200)
      expect(await barriersOf(page)).toEqual([])
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      expect(wide).toBeLessThanOrEqual(0)
    }
  })

  test('say when a job runs next', async () => {
    const page = await pageOf(ADMIN)
    await page.goto('/plugins/asker')
    await page.getByText(/^tidy runs next \d{4}-\d\d-\d\d 04:00 UTC$/).waitFor()
  })

  test('show a student nothing, and an author what is theirs, to read', async () => {
    const student = await pageOf({ role: 'student', user: 'sam' })
    expect((await student.goto('/plugins'))?.status()).toBe(403)
    const page = await pageOf(ANN)
    await page.goto('/')
    await page.getByRole('link', { name: 'Plugins' }).click()
    expect(await page.getByRole('rowheader').allInnerTexts()).toEqual([expect.stringContaining('asker')])
    await page.getByRole('rowheader').getByRole('link').click()
    await page.getByText('An admin has to approve it.').waitFor()
    expect(await page.getByRole('button', { name: /Approve|Change quotas/ }).count()).toBe(0)
    expect((await page.goto('/plugins/source'))?.status()).toBe(403)
  })
})

describe('an admin without scripts', () => {
  const noScript = { javaScriptEnabled: false }

  test('denies a version with a reason, which the page then shows', async () => {
    const page = await pageOf(ADMIN, noScript)
    await page.goto('/plugins')
    await page.getByRole('link', { name: 'asker 2.0.0' }).click()
    await page.getByLabel('Reason').fill('Why <two>?')
    await page.getByRole('button', { name: 'Deny' }).click()
    expect(await status(page)).toBe('Denied. What runs runs on.')
    await page.getByText('Denied: Why <two>?').waitFor()
    expect((await shown()).pending.denied).toBe('Why <two>?')
  })

  test('approves a part by keyboard, then the rest, and takes one back', async () => {
    const page = await pageOf(ADMIN, noScript)
    await page.goto('/plugins/asker')
    await page.getByLabel('plugins.other').focus()
    await page.keyboard.press('Space')
    await page.getByRole('button', { name: 'Approve what is ticked' }).press('Enter')
    expect(await status(page)).toBe('What was ticked is approved.')
    expect((await shown()).pending).toMatchObject({ needs: ['plugins.other'], approved: ['plugins.source'] })
    await page.getByRole('button', { name: 'Approve what is ticked' }).click()
    expect(await shown()).toMatchObject({ version: '2.0.0', pending: null })
    await page.getByRole('button', { name: 'Take back plugins.other' }).click()
    expect((await shown()).granted).toEqual(['plugins.source'])
  })

  test('changes quotas, and is told what does not go', async () => {
    const page = await pageOf(ADMIN, noScript)
    await page.goto('/plugins/asker')
    await page.getByRole('spinbutton', { name: 'Database' }).fill('2048')
    await page.getByRole('button', { name: 'Change quotas' }).click()
    expect(await status(page)).toBe('The quotas are changed.')
    expect((await shown()).quota.databaseMb).toBe(2_048)
    expect(await page.getByRole('meter', { name: 'Database, used' }).count()).toBe(1)
    // As a browser does that minds no maximum.
    const answer = await page.request.post('/plugins/asker/quota', {
      form: { memoryMb: '9999' },
      headers: { 'sec-fetch-site': 'same-origin' },
    })
    expect(answer.status()).toBe(400)
    expect(await answer.text()).toContain('memoryMb: Too big')
    expect((await shown()).quota.memoryMb).toBe(64)
  })

  test('pauses and resumes, reads the log as text, and uninstalls by typing the id', async () => {
    const page = await pageOf(ADMIN, noScript)
    await page.goto('/plugins/asker')
    await page.getByRole('button', { name: 'Pause' }).click()
    expect((await shown()).state).toBe('paused')
    await page.getByRole('button', { name: 'Resume' }).click()
    expect((await shown()).state).toBe('active')
    await lyceum.send([{ event_type: 'said' }])
    await lyceum.call('POST', '/v1/plugins/asker/pause')
    await lyceum.send([{ event_type: 'said' }, { event_type: 'said' }])
    await lyceum.call('POST', '/v1/plugins/asker/resume')
    await lyceum.settled()
    await page.reload()
    const log = await page.getByRole('group', { name: 'Its log' }).innerText()
    expect(log.match(/heard .*/g)?.slice(0, 2)).toEqual(['heard <b>2</b>', 'heard <b>1</b>'])
    await page.getByLabel('Its id').fill('asker')
    await page.getByLabel('What becomes of its data').selectOption('delete')
    await page.getByRole('button', { name: 'Uninstall' }).click()
    await page.getByRole('heading', { level: 1, name: 'Plugins' }).waitFor()
    expect((await shown()).code).toBe('plugin_unknown')
  })

  test('is not made to do so by another site', async () => {
    const page = await pageOf(ADMIN)
    const answer = await page.request.post('/plugins/source/pause', {
      headers: { 'sec-fetch-site': 'cross-site' },
    })
    expect(answer.status()).toBe(403)
    expect((await shown('source')).state).toBe('active')
  })
})
