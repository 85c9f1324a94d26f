import { randomUUID } from 'node:crypto'
import { html } from 'hono/html'
import { issueTicket } from '../../host/auth/tickets.ts'
import { LyceumError } from '../../host/errors.ts'
import { labelOf } from '../../host/pages/fields.ts'
import type { Markup } from '../../host/pages/layout.ts'
import type { ReadingEndpoint } from '../../host/registry/plugin.ts'
import { count } from '../../host/text.ts'
import { askedOf, type Choice, callerOf } from './choice.ts'
import type { Dev } from './dev.ts'

const MOST_ROWS = 200
const MOST_COLUMNS = 30
const MOST_CHARS = 100_000

/** What is shown, and how the same is had elsewhere. */
export function aboutPart({ workbench: { plugin } }: Dev, choice: Choice): Markup {
  const { endpoint, query } = choice
  if (endpoint === undefined) return html``
  const { kind, name, title, description } = endpoint
  const asked = new URLSearchParams(askedOf(choice, callerOf(choice)))
  const address = kind === 'view' ? `/views/${plugin}/${name}` : `/v1/queries/${plugin}/${name}`
  return html`<div class="about-endpoint"><h2>${title}</h2>
${description && html`<p>${description}</p>`}
<p class="muted"><a href="/dev/open?${query}">Open it as this viewer has it</a> <code>${address}${asked.size > 0 ? `?${asked}` : ''}</code></p></div>`
}

/** The chosen view in its frame, or what the chosen query answers. */
export async function resultPart(dev: Dev, choice: Choice): Promise<Markup> {
  const { endpoint } = choice
  if (endpoint === undefined) return html``
  const { workbench } = dev
  const { host, plugin } = workbench
  const caller = callerOf(choice)
  const asked = askedOf(choice, caller)
  try {
    const { named } = host.questions.check(endpoint.kind, plugin, endpoint.name, asked, caller)
    const about = endpoint.dimensions.map((name) => `${labelOf(name)} ${String(named[name])}`)
    const shown =
      endpoint.kind === 'view'
        ? frame(endpoint, issueTicket(host.keys, { caller, plugin, view: endpoint.name, asked }))
        : await answer(dev, choice)
    const { position } = dev.activity
    const behind = host.log.head() - position
    return html`${shown}
<p class="muted asof">${[...about, `data as of event ${count(position)}${behind > 0 ? `, ${count(behind)} more are being handled` : ''}`].join(' · ')}</p>`
  } catch (error) {
    if (!(error instanceof LyceumError)) throw error
    return html`<div class="problem"><p>${error.message}</p><p class="muted"><code>${error.code}</code> for ${caller.role === 'admin' ? 'an admin' : `a viewer with the role ${caller.role}`}</p></div>`
  }
}

/** As in the host's own page of a view: the frame may run scripts, and nothing else. */
function frame({ title }: ReadingEndpoint, ticket: string): Markup {
  return html`<p class="status" role="status" id="status"></p>
<progress id="progress" max="1" aria-label="${`Progress of ${title}`}" hidden></progress>
<iframe id="view" title="${title}" name="${randomUUID()}" src="/frames/${ticket}" sandbox="allow-scripts" referrerpolicy="no-referrer"></iframe>`
}

async function answer({ workbench: { host, plugin } }: Dev, choice: Choice): Promise<Markup> {
  const { endpoint } = choice
  if (endpoint === undefined) return html``
  const caller = callerOf(choice)
  const startMs = performance.now()
  const { result, isSample } = await host.questions.answer(
    'query',
    plugin,
    endpoint.name,
    askedOf(choice, caller),
    caller,
  )
  const tookMs = Math.round(performance.now() - startMs)
  const value: unknown = JSON.parse(result.toString())
  const text = JSON.stringify(value, null, 2) ?? 'null'
  const rows = Array.isArray(value) ? value : undefined
  return html`${isSample ? html`<p role="note"><strong>Sample data.</strong> Something here is made up: a plugin that this asks is not here, or was not when its data were made.</p>` : ''}
<p class="muted">${rows === undefined ? '' : `${count(rows.length)} rows · `}${count(result.length)} bytes · ${tookMs} ms</p>
${rows === undefined || rows.length === 0 ? '' : rowsTable(rows)}
<details${rows === undefined || rows.length === 0 ? html` open` : ''}><summary>JSON</summary><pre class="log" tabindex="0">${text.slice(0, MOST_CHARS)}${text.length > MOST_CHARS ? '\n…' : ''}</pre></details>`
}

function rowsTable(rows: readonly unknown[]): Markup {
  const shown = rows.slice(0, MOST_ROWS)
  const columns = [...new Set(shown.flatMap((row) => (isObject(row) ? Object.keys(row) : [])))]
  if (columns.length === 0) return html``
  const some = columns.slice(0, MOST_COLUMNS)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Rows"><table>
<thead><tr>${some.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${shown.map((row) => html`<tr>${some.map((name) => cell(isObject(row) ? row[name] : undefined))}</tr>`)}</tbody>
</table></div>
${rows.length > shown.length || columns.length > some.length ? html`<p class="muted">The first ${count(shown.length)} rows and ${some.length} columns are shown.</p>` : ''}`
}

function cell(value: unknown): Markup {
  if (typeof value === 'number') return html`<td class="number">${value}</td>`
  return html`<td>${typeof value === 'string' ? value : (JSON.stringify(value) ?? '')}</td>`
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
