import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ended, opened, plays } from '../rebuild/support.ts'
import { signedIn, startBrowser } from '../support/browser.ts'
import { startHost, type TestHost } from '../support/host.ts'
import { barriersOf } from './accessibility.ts'

let lyceum: TestHost
let browser: Browser
const source = (by: number) => `
  import { onEvent } from '@lyceum/sdk'
  export const count = onEvent('play_video', ({ events, db }) =>
    db.collection('n').updateOne({ _id: 'n' }, { $inc: { n: ${by} * events.length } }, { upsert: true }))`
beforeAll(async () => {
  ;[lyceum, browser] = await Promise.all([startHost(), startBrowser()])
  await lyceum.publish('plays', source(1))
  await lyceum.send(plays(600))
  await lyceum.publish('plays', source(2), { version: '2.0.0' })
})
afterAll(async () => {
  await browser.close()
  await lyceum.dispose()
})

test('without scripts, the page of a plugin says why a rebuild is offered, starts one and cancels it', async () => {
  const door = opened(lyceum, 'plays', 2)
  const context = await signedIn(browser, lyceum, { role: 'admin' }, { javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto('/plugins/plays')
  const section = page.locator('#rebuild')
  expect(await section.innerText()).toContain(
    'Its data were made by handlers that have changed since (count).',
  )
  await section.getByRole('button', { name: 'Rebuild its data' }).click()
  await door.reached(256)
  await page.reload()
  expect(await section.innerText()).toMatch(/\d+ of 600 events/)
  expect(Number(await section.getByRole('progressbar').getAttribute('value'))).toBeGreaterThanOrEqual(256)
  // The batch at the door is let through when the host knows of it: else all could be done before.
  const cancelling = vi.spyOn(lyceum.host.rebuilds, 'cancel')
  const clicked = section.getByRole('button', { name: 'Cancel the rebuild' }).click()
  await expect.poll(() => cancelling.mock.calls.length, { timeout: 15_000 }).toBe(1)
  door.open()
  await clicked
  expect(await section.innerText()).toContain('The rebuild of plays was cancelled.')
  expect(await page.locator('main').innerText()).toContain('The rebuild has ended.')
  await context.close()
})

test('with scripts, the page shows how far a rebuild is until it is done, and disturbs nobody at a form', async () => {
  const door = opened(lyceum, 'plays', 3)
  const context = await signedIn(
    browser,
    lyceum,
    { role: 'admin' },
    { viewport: { width: 360, height: 740 } },
  )
  const page = await context.newPage()
  await lyceum.call('POST', '/v1/plugins/plays/rebuild')
  await page.goto('/plugins/plays')
  await page.getByLabel('Its id').fill('play')
  await door.reached(256)
  await page.waitForFunction(() => Number(document.querySelector('progress')?.value) >= 256)
  expect(await barriersOf(page)).toEqual([])
  expect(
    await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
  ).toBeLessThanOrEqual(0)
  door.open()
  expect(await ended(lyceum, 'plays')).toMatchObject({ state: 'done' })
  await page.getByText('Rebuilt from 600 events').waitFor()
  expect(await page.getByLabel('Its id').inputValue()).toBe('play')
  expect(await page.locator('#rebuild').innerText()).not.toContain('handlers that have changed')
  await context.close()
})
