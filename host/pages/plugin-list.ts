import { html } from 'hono/html'
import type { Caller } from '../auth/tokens.ts'
import type { PendingVersion } from '../registry/approvals.ts'
import type { PluginState, Usage } from '../registry/plugin.ts'
import { count } from '../text.ts'
import { layout, type Markup } from './layout.ts'

/** A plugin as the list shows it. */
export interface ListedPlugin {
  readonly id: string
  readonly title: string
  readonly owner: string
  readonly version: string | undefined
  readonly state: PluginState
  /** Of the last 24 hours. */
  readonly day: Usage
  readonly month: Usage
  /** CPU time of the last minute, and the quota of it, in ms. */
  readonly minuteMs: number
  readonly minuteQuotaMs: number
  readonly pending: PendingVersion | undefined
}

const STATES: Record<PluginState, string> = {
  active: 'runs',
  pending: 'waits for approval',
  paused: 'paused',
  quarantined: 'quarantined',
  uninstalled: 'uninstalled, data kept',
}

/** All plugins of a caller, with what waits for an admin first. */
export function pluginListPage(caller: Caller, plugins: readonly ListedPlugin[]): Markup {
  const waiting = plugins.filter(({ pending }) => pending !== undefined)
  return layout({
    title: 'Plugins',
    caller,
    body: html`<h1>Plugins</h1>
${waiting.length > 0 ? waitingSection(waiting, caller) : ''}
${plugins.length > 0 ? table(plugins) : html`<p>There are none yet. Publish one: <code>npx lyceum publish DIR</code></p>`}`,
  })
}

function waitingSection(plugins: readonly ListedPlugin[], caller: Caller): Markup {
  return html`<section aria-labelledby="waiting">
<h2 id="waiting">Waiting for approval</h2>
<ul class="cards">${plugins.map(
    ({ id, pending }) => html`<li class="card">
<h3><a href="/plugins/${id}#approval">${id} ${pending?.version ?? ''}</a></h3>
<p>Asks for ${list(pending?.needs ?? [])}</p>
${pending?.denied === undefined ? '' : html`<p class="muted">Denied: ${pending.denied}</p>`}
${caller.role === 'admin' || pending?.denied !== undefined ? '' : html`<p class="muted">An admin has to approve it.</p>`}
</li>`,
  )}</ul>
</section>`
}

/** Names, each as code. */
export function list(names: readonly string[]): Markup {
  return html`${names.map((name, index) => html`${index > 0 ? ', ' : ''}<code>${name}</code>`)}`
}

function table(plugins: readonly ListedPlugin[]): Markup {
  return html`<section aria-labelledby="all">
<h2 id="all">What each one costs</h2>
<p class="muted">CPU time in isolates and stores; events, calls and bytes moved in the last 24 hours.</p>
<div class="scroll" role="group" aria-labelledby="all" tabindex="0">
<table>
<thead><tr><th scope="col">Plugin</th><th scope="col">State</th>
<th scope="col">CPU, this minute</th><th scope="col" class="number">24 hours</th><th scope="col" class="number">30 days</th>
<th scope="col" class="number">Events</th><th scope="col" class="number">Calls</th>
<th scope="col" class="number">Failed</th><th scope="col" class="number">Moved</th></tr></thead>
<tbody>${plugins.map(
    (plugin) => html`<tr>
<th scope="row"><a href="/plugins/${plugin.id}">${plugin.title}</a>
<span class="muted">${plugin.title === plugin.id ? '' : `${plugin.id} `}${plugin.version ?? ''} · ${plugin.owner}</span></th>
<td>${stateMarkup(plugin.state)}</td>
<td>${meter(plugin.minuteMs, plugin.minuteQuotaMs, `CPU time of ${plugin.id} in the last minute`)}</td>
<td class="number">${seconds(cpuOf(plugin.day))}</td><td class="number">${seconds(cpuOf(plugin.month))}</td>
<td class="number">${count(plugin.day.events)}</td><td class="number">${count(plugin.day.calls)}</td>
<td class="number">${count(plugin.day.failures)}</td><td class="number">${megabytes(plugin.day.bytes)}</td>
</tr>`,
  )}</tbody>
</table>
</div>
</section>`
}

/** What a plugin does, told apart by words and not by colour alone. */
export function stateMarkup(state: PluginState): Markup {
  return html`<span class="state ${state}">${STATES[state]}</span>`
}

/** How much of a quota is used. */
export function meter(used: number, quota: number, label: string): Markup {
  const percent = Math.round((100 * used) / quota)
  return html`<span class="use"><meter min="0" max="${quota}" high="${quota * 0.9}" value="${Math.min(used, quota)}" aria-label="${label}">${percent} %</meter> <span>${percent} %</span></span>`
}

/** In isolates and in stores. */
export function cpuOf({ cpuMs, storeCpuMs }: Usage): number {
  return cpuMs + storeCpuMs
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toLocaleString('en', { maximumFractionDigits: ms < 10_000 ? 1 : 0 })} s`
}

export function megabytes(bytes: number): string {
  const mb = bytes / 1024 / 1024
  return `${mb.toLocaleString('en', { maximumFractionDigits: mb < 10 ? 1 : 0 })} MB`
}
