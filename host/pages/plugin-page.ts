import { html } from 'hono/html'
import type { Caller } from '../auth/tokens.ts'
import type { LogLine } from '../capabilities/log.ts'
import type { RunningCall } from '../capabilities/progress.ts'
import type { FeedStatus } from '../dispatch/handler-feed.ts'
import type { PendingVersion } from '../registry/approvals.ts'
import type { PluginState } from '../registry/plugin.ts'
import type { RecentUsage } from '../registry/usage-book.ts'
import { amount, count } from '../text.ts'
import { PLUGIN_SCRIPT_PATH } from './assets.ts'
import { layout, type Markup } from './layout.ts'
import { cpuOf, list, megabytes, seconds, stateMarkup } from './plugin-list.ts'
import { type QuotaForm, quotaSection } from './plugin-quotas.ts'
import { type RebuildPart, rebuildSection } from './plugin-rebuild.ts'

/** What the page of a plugin is made of. */
export interface PluginPage {
  readonly caller: Caller
  readonly id: string
  readonly title: string
  readonly owner: string
  readonly version: string | undefined
  readonly state: PluginState
  /** Why it does not run, where the host stopped it. */
  readonly stoppedFor: string | undefined
  readonly pending: PendingVersion | undefined
  readonly granted: readonly string[]
  readonly recent: RecentUsage
  readonly quotas: QuotaForm
  readonly handlers: readonly (FeedStatus & { readonly lag: number })[]
  readonly jobs: readonly { readonly endpoint: string; readonly atMs: number }[]
  /** Calls that say how far they are. */
  readonly running: readonly RunningCall[]
  readonly deadLetters: number
  /** How often the effects of an event happen. */
  readonly guarantee: 'exactly-once' | 'at-least-once'
  readonly rebuild: RebuildPart
  readonly log: readonly LogLine[]
  /** What was just done, or could not be. */
  readonly done: string | undefined
  readonly problem: string | undefined
}

/** A plugin for its owner and admins. All of it works without scripts. */
export function pluginPage(page: PluginPage): Markup {
  const { caller, id, title, done, problem } = page
  return layout({
    title,
    caller,
    head: html`<script src="${PLUGIN_SCRIPT_PATH}"></script>`,
    body: html`<nav aria-label="Where you are"><a href="/plugins">All plugins</a></nav>
<h1>${title}</h1>
${done === undefined ? '' : html`<p class="done" role="status">${done}</p>`}
${problem === undefined ? '' : html`<p class="problem" role="alert">${problem}</p>`}
<dl class="about"><div><dt>Id</dt> <dd>${id}</dd></div>
<div><dt>Version</dt> <dd>${page.version ?? 'none'}</dd></div>
<div><dt>Owner</dt> <dd>${page.owner}</dd></div>
<div><dt>State</dt> <dd>${stateMarkup(page.state)}</dd></div></dl>
${page.stoppedFor === undefined ? '' : html`<p class="problem">${page.stoppedFor}</p>`}
${runSection(page)}
${page.pending === undefined ? '' : approvalSection(page, page.pending)}
${page.granted.length > 0 ? grantedSection(page) : ''}
${quotaSection(page.quotas, id, caller.role === 'admin')}
${costSection(page.recent)}
${handlerSection(page)}
${rebuildSection(page.rebuild)}
${jobSection(page)}
${logSection(page.log)}
${uninstallSection(page)}`,
  })
}

function runSection({ id, state }: PluginPage): Markup {
  if (state === 'uninstalled' || state === 'pending') return html``
  const [action, label] = state === 'active' ? ['pause', 'Pause'] : ['resume', 'Resume']
  return html`<form class="bar" method="post" action="/plugins/${id}/${action}"><button class="quiet">${label}</button></form>`
}

function approvalSection({ id, caller }: PluginPage, pending: PendingVersion): Markup {
  const { version, needs, approved, endpoints, denied } = pending
  const changes: readonly (readonly [string, readonly string[]])[] = [
    ['Approved already', approved],
    ['New endpoints', endpoints.added],
    ['Endpoints that go', endpoints.removed],
    ['Endpoints that change', endpoints.changed],
  ]
  return html`<section aria-labelledby="approval">
<h2 id="approval">Version ${version} waits for approval</h2>
${denied === undefined ? '' : html`<p class="problem">Denied: ${denied}</p>`}
<dl class="changes"><div><dt>Asks for</dt> <dd>${list(needs)}</dd></div>
${changes.map(([what, names]) => (names.length === 0 ? '' : html`<div><dt>${what}</dt> <dd>${list(names)}</dd></div>`))}</dl>
${caller.role === 'admin' ? approvalForms(id, version, needs) : html`<p class="muted">An admin has to approve it.</p>`}
</section>`
}

function approvalForms(id: string, version: string, needs: readonly string[]): Markup {
  return html`<form class="bar" method="post" action="/plugins/${id}/approve">
<input type="hidden" name="version" value="${version}">
<fieldset><legend>Approve</legend>${needs.map(
    (
      need,
      index,
    ) => html`<div class="choice"><input type="checkbox" id="need-${index}" name="needs" value="${need}" checked>
<label for="need-${index}"><code>${need}</code></label></div>`,
  )}</fieldset>
<button>Approve what is ticked</button>
</form>
<form class="bar" method="post" action="/plugins/${id}/deny">
<div class="field"><label for="reason">Reason <small>its author reads it</small></label>
<input id="reason" name="reason" required maxlength="1000" autocomplete="off"></div>
<button class="quiet">Deny</button>
</form>`
}

function grantedSection({ id, granted, caller }: PluginPage): Markup {
  const revoke = (need: string) =>
    html`<form method="post" action="/plugins/${id}/revoke"><input type="hidden" name="needs" value="${need}">
<button class="quiet">Take back<span class="hidden"> ${need}</span></button></form>`
  return html`<section aria-labelledby="granted">
<h2 id="granted">Approved</h2>
<ul class="rows">${granted.map((need) => html`<li><code>${need}</code>${caller.role === 'admin' ? revoke(need) : ''}</li>`)}</ul>
</section>`
}

function costSection({ day, month }: RecentUsage): Markup {
  const rows: readonly (readonly [string, string, string])[] = [
    ['CPU time in isolates', seconds(day.cpuMs), seconds(month.cpuMs)],
    ['CPU time in stores', seconds(day.storeCpuMs), seconds(month.storeCpuMs)],
    ['CPU time together', seconds(cpuOf(day)), seconds(cpuOf(month))],
    ['Calls', count(day.calls), count(month.calls)],
    ['Calls that failed', count(day.failures), count(month.failures)],
    ['Events handled', count(day.events), count(month.events)],
    ['Moved over the bridge', megabytes(day.bytes), megabytes(month.bytes)],
  ]
  return html`<section aria-labelledby="cost">
<h2 id="cost">What it cost</h2>
<div class="scroll" role="group" aria-labelledby="cost" tabindex="0">
<table><thead><tr><td></td><th scope="col" class="number">24 hours</th><th scope="col" class="number">30 days</th></tr></thead>
<tbody>${rows.map(
    ([what, lately, before]) =>
      html`<tr><th scope="row">${what}</th><td class="number">${lately}</td><td class="number">${before}</td></tr>`,
  )}</tbody></table>
</div>
</section>`
}

function handlerSection({ id, handlers, deadLetters, guarantee }: PluginPage): Markup {
  if (handlers.length === 0) return html``
  return html`<section aria-labelledby="handlers">
<h2 id="handlers">Handlers</h2>
<ul class="rows">${handlers.map(
    ({ endpoint, state, lag, untilMs, lastError }) => html`<li><div><code>${endpoint}</code> ${state}${
      untilMs === undefined ? '' : ` until ${new Date(untilMs).toISOString().slice(11, 19)} UTC`
    }, ${lag === 0 ? 'has seen every event' : `${amount(lag, 'event')} behind`}
${lastError === undefined ? '' : html`<p class="muted">${lastError.code}: ${lastError.message}</p>`}</div></li>`,
  )}</ul>
${guarantee === 'at-least-once' ? html`<p>The database server has no transactions: after a crash, effects of some events happen again.</p>` : ''}
${deadLetters > 0 ? html`<p><a href="/v1/plugins/${id}/dead-letters">${amount(deadLetters, 'event')} that a handler failed on</a></p>` : ''}
</section>`
}

function jobSection({ jobs, running }: PluginPage): Markup {
  if (jobs.length === 0 && running.length === 0) return html``
  return html`<section aria-labelledby="jobs">
<h2 id="jobs">Jobs and long calls</h2>
<ul class="rows">${jobs.map(
    ({ endpoint, atMs }) => html`<li><div><code>${endpoint}</code> runs next ${minute(atMs)} UTC</div></li>`,
  )}${running.map(
    ({ endpoint, fraction, text }) =>
      html`<li><div><code>${endpoint}</code> is at ${Math.floor(fraction * 100)} %${text && html`: ${text}`}</div></li>`,
  )}</ul>
</section>`
}

/** `2026-03-01 04:00` */
function minute(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')
}

function logSection(log: readonly LogLine[]): Markup {
  if (log.length === 0) return html``
  return html`<section aria-labelledby="log">
<h2 id="log">Its log</h2>
<p class="muted">The newest lines first.</p>
<pre class="log" tabindex="0" role="group" aria-labelledby="log">${log
    .toReversed()
    .map(
      ({ atMs, level, endpoint, line }) => `${new Date(atMs).toISOString()} ${level} ${endpoint}: ${line}\n`,
    )}</pre>
</section>`
}

function uninstallSection({ id, state }: PluginPage): Markup {
  const isKept = state === 'uninstalled'
  return html`<section aria-labelledby="end">
<h2 id="end">${isKept ? 'Its data' : 'Uninstall'}</h2>
<p><a href="/v1/plugins/${id}/export">Export its data</a></p>
<form class="bar" method="post" action="/plugins/${id}/uninstall">
<div class="field"><label for="data">What becomes of its data</label>
<select id="data" name="data" required>${isKept ? '' : html`<option value="keep">They are kept for its owner</option>`}
<option value="delete">They are deleted for good</option></select></div>
<div class="field"><label for="confirm">Its id <small>to be sure</small></label>
<input id="confirm" name="confirm" required pattern="${id}" autocomplete="off" spellcheck="false"></div>
<button class="quiet">${isKept ? 'Delete' : 'Uninstall'}</button>
</form>
</section>`
}
