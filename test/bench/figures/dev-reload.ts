import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { openDev } from '../../../workbench/dev/dev.ts'
import { startBrowser } from '../../support/browser.ts'
import { type Figure, median, tookMs } from '../harness.ts'

const SAVES = 20
/** Nobody saves without a pause; in it the process of the next publish starts. */
const PAUSE_MS = 1_500
const source = (save: number) => `import { html, onEvent, query, view } from '@lyceum/sdk'
export const count = onEvent('play_video', async ({ events, db }) => {
  for (const { event } of events)
    await db.collection('plays').updateOne({ _id: event.id }, { $inc: { n: 1 } }, { upsert: true })
})
export const top = query(({ db }) => db.collection('plays').find().sort({ n: -1 }).limit(10).toArray())
export const popular = view(async ({ plugins: { self } }) =>
  html\`<h1>save \${${save}}</h1><ol>\${(await self.top()).map(({ _id, n }) => html\`<li>\${_id}: \${n}</li>\`)}</ol>\`)
`

/** From the write of plugin.ts to the new text in the frame of a browser that shows the view. */
export const devReload: Figure = {
  name: 'lyceum dev: save to reloaded page, median',
  unit: 'ms',
  goal: 1_000,
  better: 'lower',
  measure: async () => {
    const dir = await mkdtemp(join(tmpdir(), 'lyceum-dev-bench-'))
    const save = (number: number) => writeFile(join(dir, 'plugin.ts'), source(number))
    await writeFile(join(dir, 'package.json'), '{ "name": "bench", "version": "1.0.0" }')
    await save(0)
    const [dev, browser] = await Promise.all([openDev({ dir }), startBrowser()])
    try {
      await dev.loaded()
      const page = await browser.newPage()
      const first = shows(page, 'save 0')
      await page.goto(dev.url)
      await first
      const took: number[] = []
      for (let number = 1; number <= SAVES; number++) {
        await sleep(PAUSE_MS)
        took.push(
          await tookMs(async () => {
            const shown = shows(page, `save ${number}`)
            await save(number)
            await shown
          }),
        )
      }
      return median(took)
    } finally {
      await browser.close()
      await dev.close()
      await rm(dir, { recursive: true, force: true })
    }
  },
}

/** Resolves when a frame has the text and is what the page shows. Looked at with every picture that is drawn. */
async function shows(page: Page, text: string): Promise<void> {
  await new Promise<void>((resolve) => {
    page.on('framenavigated', async function look(frame) {
      if (frame === page.mainFrame()) return
      const isShown = frame.waitForFunction((wanted) => document.body.innerText.includes(wanted), text, {
        polling: 'raf',
      })
      // A frame goes as soon as there is a newer one.
      if ((await isShown.catch(() => undefined)) === undefined) return
      page.off('framenavigated', look)
      resolve()
    })
  })
  await page.waitForFunction(() => document.querySelectorAll('iframe:not(.coming)').length === 1)
}
