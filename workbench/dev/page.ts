import { html } from 'hono/html'
import { LyceumError } from '../../host/errors.ts'
import { chartScriptPath, VIEW_SCRIPT_PATH } from '../../host/pages/assets.ts'
import { layout, type Markup } from '../../host/pages/layout.ts'
import type { Choice } from './choice.ts'
import type { Dev } from './dev.ts'
import { activityPart, faultsPart, logsPart, publishPart, statusPart } from './page-health.ts'
import { keptPart } from './page-kept.ts'
import { clockPart, endpointsPart, peoplePart } from './page-panel.ts'
import { aboutPart, resultPart } from './page-result.ts'

type Part = (dev: Dev, choice: Choice) => Markup | Promise<Markup>

/** The parts of the page, each of which is asked for again when it is not what it was. */
const PART_MARKUP = {
  result: resultPart,
  status: statusPart,
  faults: faultsPart,
  endpoints: endpointsPart,
  people: peoplePart,
  clock: clockPart,
  about: aboutPart,
  activity: activityPart,
  kept: keptPart,
  logs: logsPart,
  publish: publishPart,
} as const satisfies Record<string, Part>

/** The name of a part of the page. */
export type PartName = keyof typeof PART_MARKUP
/** All parts, in the order in which they are asked for. */
export const PARTS = Object.keys(PART_MARKUP) as PartName[]

/** A part as it is now; one that cannot be told says why, and the others are there all the same. */
export async function partOf(name: PartName, dev: Dev, choice: Choice): Promise<Markup> {
  try {
    return await PART_MARKUP[name](dev, choice)
  } catch (error) {
    if (!(error instanceof LyceumError)) throw error
    return html`<p class="problem">${error.message}</p>`
  }
}

/** The whole page. It works without its script, too, and then shows what was so when it was loaded. */
export async function devPage(dev: Dev, choice: Choice): Promise<Markup> {
  const { mark } = dev.records
  const names = PARTS.map(async (name) => [name, await partOf(name, dev, choice)] as const)
  const parts = Object.fromEntries(await Promise.all(names)) as Record<PartName, Markup>
  const part = (name: PartName) => html`<div data-part="${name}">${parts[name]}</div>`
  return layout({
    title: `${dev.workbench.plugin}, in development`,
    head: html`<link rel="stylesheet" href="/dev/assets/dev.css">
<script src="${VIEW_SCRIPT_PATH}" data-charts="${chartScriptPath()}"></script>
<script src="/dev/assets/dev.js" type="module"></script>`,
    body: html`<div class="dev" data-mark="${mark}">
<div class="top">
<h1>${dev.workbench.plugin}</h1>
<div data-part="status" role="status">${parts.status}</div>
</div>
<div class="panel">
${part('endpoints')}
<details class="settings" open><summary>Viewer, time and events</summary>
<section aria-labelledby="who"><h2 id="who">Shown to</h2>${part('people')}</section>
<section aria-labelledby="when"><h2 id="when">Time</h2>${part('clock')}</section>
<section aria-labelledby="what"><h2 id="what">Events</h2>
<form method="post" action="/dev/learners" class="acts"><input type="hidden" name="count" value="100"><button class="quiet">Send 100 more learners</button></form>
<form method="post" action="/dev/rebuild" class="acts"><button class="quiet">Handle all events anew</button></form>
</section>
</details>
</div>
<div class="work">
<div data-part="faults" role="alert">${parts.faults}</div>
${part('about')}
${part('result')}
${part('activity')}
${part('kept')}
${part('logs')}
${part('publish')}
</div>
</div>`,
  })
}
