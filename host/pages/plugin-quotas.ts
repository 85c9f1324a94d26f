import { html } from 'hono/html'
import { QUOTA_NAMES, type Quota } from '../limits.ts'
import type { QuotaUse } from '../plugin-report.ts'
import type { Markup } from './layout.ts'
import { meter } from './plugin-list.ts'

/** The quotas of a plugin, with what may be chosen. */
export interface QuotaForm {
  readonly quota: Readonly<Quota>
  readonly use: QuotaUse
  readonly ceilings: Readonly<Quota>
}

const ABOUT: Record<keyof Quota, readonly [label: string, unit: string]> = {
  cpuMsPerMinute: ['CPU time in a minute', 'ms'],
  cpuMsPerCall: ['CPU time of a call', 'ms'],
  wallMs: ['Time of a call', 'ms'],
  memoryMb: ['Memory of an isolate', 'MB'],
  concurrentCalls: ['Calls at a time', 'calls'],
  opsPerCall: ['Operations of a call', 'operations'],
  bytesPerCall: ['Moved by a call', 'bytes'],
  outputBytes: ['One result', 'bytes'],
  databaseMb: ['Database', 'MB'],
  fileMb: ['Files', 'MB'],
  cacheMb: ['Cache', 'MB'],
  backlogEvents: ['Backlog', 'events'],
}

/** What a plugin may use and uses; a form for admins. */
export function quotaSection(form: QuotaForm, id: string, mayChange: boolean): Markup {
  const rows = QUOTA_NAMES.toSorted(
    (a, b) => Number(form.use[b] !== undefined) - Number(form.use[a] !== undefined),
  )
  const body = html`<div class="quotas">${rows.map((name) => row(name, form, mayChange))}</div>`
  return html`<section aria-labelledby="quotas">
<h2 id="quotas">Quotas</h2>
${
  mayChange
    ? html`<form method="post" action="/plugins/${id}/quota">${body}<button>Change quotas</button></form>`
    : body
}
</section>`
}

function row(name: keyof Quota, { quota, use, ceilings }: QuotaForm, mayChange: boolean): Markup {
  const [label, unit] = ABOUT[name]
  const used = use[name]
  return html`<div class="quota">
${
  mayChange
    ? html`<label for="quota-${name}">${label} <small>${unit}, at most ${ceilings[name].toLocaleString('en')}</small></label>
<input id="quota-${name}" name="${name}" type="number" required min="1" max="${ceilings[name]}" value="${quota[name]}">`
    : html`<span>${label}</span><span>${quota[name].toLocaleString('en')} ${unit}</span>`
}
${used === undefined ? '' : meter(used, quota[name], `${label}, used`)}
</div>`
}
