import { html } from 'hono/html'
import type { LogLine } from '../../host/capabilities/log.ts'
import { LIMITS, QUOTA_DEFAULTS, type Quota } from '../../host/limits.ts'
import type { Markup } from '../../host/pages/layout.ts'
import { quotaUse } from '../../host/plugin-report.ts'
import type { Endpoint } from '../../host/registry/plugin.ts'
import { amount, count } from '../../host/text.ts'
import { residentMb } from '../../process/child.ts'
import type { Dev } from './dev.ts'
import type { Fault } from './faults.ts'
import { becauseOf } from './words.ts'

const LINES = 100
const LETTERS = 20

/** Which version runs, and how it came there. */
export function statusPart({ lastReload, faults }: Dev): Markup {
  const waits = faults.all.some(({ during }) => during === 'save')
  if (lastReload === undefined)
    return html`<p class="${waits ? 'light bad' : 'light'}">${waits ? 'Nothing runs yet: mend what is below and save.' : 'Starting…'}</p>`
  const { version, tookMs, files } = lastReload
  const came = files.length === 0 ? '' : html`, ${count(tookMs)} ms after the save; ${becauseOf(lastReload)}`
  return html`<p class="${waits ? 'light bad' : 'light'}">${waits ? 'What was saved last cannot run; the version before does.' : html`<strong>${version}</strong> runs${came}.`}</p>`
}

/** What the author has to mend, with the lines of code. */
export function faultsPart({ faults }: Dev): Markup {
  return html`${faults.all.map(faultMarkup)}`
}

function faultMarkup({ during, endpoint, code, message, places, stack, times }: Fault): Markup {
  const where = { save: 'Saved, but cannot run', run: `${endpoint} failed`, around: 'Not of the plugin' }[
    during
  ]
  return html`<section class="fault">
<h2>${where} <small><code>${code}</code>${times > 1 ? ` ${count(times)} times` : ''}</small></h2>
<p class="said">${message}</p>
${places.map(
  (
    place,
  ) => html`<p><code class="place">${place.source}:${place.line}:${place.column}</code>${place.message ? ` ${place.message}` : ''}</p>
${place.frame && html`<pre class="code" tabindex="0">${place.frame}</pre>`}`,
)}
${stack && html`<details><summary>Stack</summary><pre class="code" tabindex="0">${stack}</pre></details>`}
</section>`
}

const USES: readonly (readonly [keyof Quota, label: string, unit: string])[] = [
  ['cpuMsPerMinute', 'CPU time of the last minute', 'ms'],
  ['databaseMb', 'Database', 'MB'],
  ['fileMb', 'Files', 'MB'],
  ['cacheMb', 'Cache', 'MB'],
]

/** How far the handlers are, what they failed on, and what the plugin uses. */
export async function activityPart({ workbench: { host, plugin }, activity }: Dev): Promise<Markup> {
  const { head, handlers } = activity.latest
  const active = host.plugins.active().get(plugin)
  if (active === undefined) return html``
  const [use, letters] = await Promise.all([
    quotaUse(host, plugin),
    active.store.deadLetters(undefined, LETTERS),
  ])
  const quota = host.catalogue.plugin(plugin)?.quota ?? QUOTA_DEFAULTS
  return html`<section aria-labelledby="handlers"><h2 id="handlers">Handlers</h2>
${
  handlers.length === 0
    ? html`<p class="muted">The plugin has no handler. ${count(head)} events are in the log.</p>`
    : html`<div class="scroll" tabindex="0" role="region" aria-label="Handlers"><table><thead><tr><th scope="col">Handler</th><th scope="col">State</th><th scope="col" class="number">Events</th><th scope="col" class="number">Per second</th></tr></thead>
<tbody>${handlers.map(
        ({ endpoint, state, cursor, eventsPerSecond }) =>
          html`<tr><th scope="row">${endpoint}</th><td>${state}</td><td class="number">${count(cursor)} of ${count(head)}</td><td class="number">${count(eventsPerSecond)}</td></tr>`,
      )}</tbody></table></div>`
}
${
  letters.total === 0
    ? ''
    : html`<h3>${amount(letters.total, 'dead letter')}</h3>
<p class="muted">Events that a handler failed on. Mend the handler, then have it try them again.</p>
<ul class="rows">${letters.letters.map(({ endpoint, seq, code, message }) => html`<li><span><strong>${endpoint}</strong> on event ${count(seq)}: ${message} <code>${code}</code></span></li>`)}</ul>
${letters.total > letters.letters.length && html`<p class="muted">And ${count(letters.total - letters.letters.length)} more.</p>`}
<form method="post" action="/dev/retry"><button class="quiet">Try them again</button></form>`
}
<div class="uses">${USES.map(([name, label, unit]) => used(label, unit, use[name] ?? 0, quota[name]))}
${used('Memory of a sandbox', 'MB', Math.max(0, ...host.supervisor.pids.map((pid) => residentMb(pid) ?? 0)), LIMITS.sandboxRssMb)}</div>
</section>`
}

function used(label: string, unit: string, value: number, most: number): Markup {
  const shown = value < 10 ? Math.round(value * 100) / 100 : Math.round(value)
  return html`<div><span class="muted">${label}</span> <span>${count(shown)} of ${count(most)} ${unit}</span>
<meter min="0" max="${most}" value="${value}" aria-label="${label}"></meter></div>`
}

/** The newest lines of the log, newest first, so that what comes is seen. */
export function logsPart({ workbench: { host, plugin } }: Dev): Markup {
  const lines = host.pluginLogs.tail(plugin, LINES).toReversed()
  return html`<section aria-labelledby="log"><h2 id="log">Log</h2>
${lines.length === 0 ? html`<p class="muted">Nothing yet. A handler writes here by <code>({ log }) => log.info('…')</code>.</p>` : html`<ol class="lines" tabindex="0" aria-label="Log, newest first">${lines.map(logLine)}</ol>`}
</section>`
}

function logLine({ atMs, level, by, endpoint, line }: LogLine): Markup {
  const at = new Date(atMs).toISOString()
  return html`<li class="${level}"><time datetime="${at}">${at.slice(11, 19)}</time> <b>${level}</b> <i>${by === 'host' ? `host, ${endpoint}` : endpoint}</i> <span>${line}</span></li>`
}

/** What an admin would be asked for, and what each endpoint asks for. */
export function publishPart({ workbench: { host, plugin }, needs: { needs, warnings } }: Dev): Markup {
  const active = host.plugins.active().get(plugin)
  const endpoints = [...(active?.endpoints.values() ?? [])]
  return html`<section aria-labelledby="publish"><h2 id="publish">A publish</h2>
${
  needs.length === 0
    ? html`<p>asks an admin for nothing: it runs at once.</p>`
    : html`<p class="warning">waits for an admin, who has to approve: ${needs.map((need, at) => html`${at > 0 ? ', ' : ''}<code>${need}</code>`)}. Here it is granted.</p>`
}
${warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
<div class="scroll" tabindex="0" role="region" aria-label="Endpoints"><table><thead><tr><th scope="col">Endpoint</th><th scope="col">Kind</th><th scope="col">Asks for</th><th scope="col">Is about</th></tr></thead>
<tbody>${endpoints.map(
    (endpoint) =>
      html`<tr><th scope="row">${endpoint.name}</th><td>${endpoint.kind}</td><td>${facilitiesOf(endpoint).join(', ')}</td><td>${endpoint.dimensions.join(', ')}</td></tr>`,
  )}</tbody></table></div>
</section>`
}

/** What an endpoint asks for, as its author writes it. */
function facilitiesOf({ facilities, plugins, replicas }: Endpoint): string[] {
  return [
    ...facilities.filter((name) => name !== 'plugins' && name !== 'replica'),
    ...plugins.map((name) => `plugins.${name}`),
    ...replicas.map((name) => `replica.${name}`),
  ]
}
