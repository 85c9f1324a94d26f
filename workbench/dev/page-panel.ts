import { html } from 'hono/html'
import { type Field, fieldMarkup, fieldsOf } from '../../host/pages/fields.ts'
import type { Markup } from '../../host/pages/layout.ts'
import type { ReadingEndpoint } from '../../host/registry/plugin.ts'
import { addressOf, type Choice, callerOf, linkTo, readingEndpoints, VIEWERS } from './choice.ts'
import type { ClockSetting } from './clock.ts'
import type { Dev } from './dev.ts'

/** The views and queries, of which one is shown. */
export function endpointsPart(dev: Dev, choice: Choice): Markup {
  const all = readingEndpoints(dev)
  const listed = (kind: ReadingEndpoint['kind'], title: string) => {
    const some = all.filter((endpoint) => endpoint.kind === kind)
    if (some.length === 0) return ''
    return html`<nav aria-label="${title}"><h2>${title}</h2>
<ul class="choices">${some.map((endpoint) => entry(endpoint, choice))}</ul></nav>`
  }
  if (all.length === 0) return html`<p class="muted">There is neither a view nor a query yet.</p>`
  return html`${listed('view', 'Views')}${listed('query', 'Queries')}`
}

function entry(endpoint: ReadingEndpoint, choice: Choice): Markup {
  const isChosen = endpoint === choice.endpoint
  return html`<li><a href="${linkTo(endpoint, choice)}" data-choice${isChosen ? html` aria-current="page"` : ''}>${endpoint.name}</a></li>`
}

/** Who looks, at whom and what. */
export function peoplePart(dev: Dev, choice: Choice): Markup {
  const { endpoint, role, user, course, query } = choice
  const caller = callerOf(choice)
  const params =
    endpoint === undefined
      ? []
      : fieldsOf(endpoint, caller, { courses: dev.events.courses, complete: false }, new Map(query)).filter(
          ({ name }) => name !== 'user' && name !== 'course',
        )
  return html`<form method="get" action="/dev" class="stack" data-choice>
${endpoint === undefined ? '' : html`<input type="hidden" name="dev-show" value="${addressOf(endpoint)}">`}
${chosen('dev-role', 'Role', VIEWERS, role)}
${chosen('user', role === 'student' ? 'Student' : 'Person looked at', dev.events.users, user)}
${chosen('course', 'Course', dev.events.courses, course)}
${params.map((field: Field) => fieldMarkup(field, 'dev'))}
<button class="quiet">Show</button>
</form>`
}

/** A choice among what is known; where nothing is, or the value is another, it can be typed. */
function chosen(name: string, label: string, known: readonly string[], value: string): Markup {
  const options = value === '' || known.includes(value) ? known : [value, ...known]
  return html`<div class="field"><label for="dev-${name}">${label}</label>
${
  options.length === 0
    ? html`<input id="dev-${name}" name="${name}" value="${value}" autocomplete="off" spellcheck="false">`
    : html`<select id="dev-${name}" name="${name}">${options.map(
        (option) =>
          html`<option value="${option}"${option === value ? html` selected` : ''}>${option}</option>`,
      )}</select>`
}
</div>`
}

const SPEEDS: readonly (readonly [speed: number, label: string])[] = [
  [1, 'as ever'],
  [0, 'stands still'],
  [60, 'a minute a second'],
  [3_600, 'an hour a second'],
  [86_400, 'a day a second'],
]

/** What time it is for the plugin. */
export function clockPart({ clock }: Dev): Markup {
  const { fromMs, speed } = clock.setting
  return html`<form method="post" action="/dev/clock" class="stack">
<p class="muted">${tell(clock.setting)} <time>${minutes(clock.nowMs()).replace('T', ' ')} UTC</time></p>
<div class="field"><label for="dev-at">Begin at <small>UTC, empty for now</small></label>
<input id="dev-at" name="at" type="datetime-local" step="60" value="${fromMs === null ? '' : minutes(fromMs)}"></div>
<div class="field"><label for="dev-speed">How it passes</label>
<select id="dev-speed" name="speed">${SPEEDS.map(
    ([value, label]) =>
      html`<option value="${value}"${value === speed ? html` selected` : ''}>${label}</option>`,
  )}</select></div>
<button class="quiet">Set the time</button>
</form>`
}

function tell({ fromMs, speed }: ClockSetting): string {
  if (fromMs === null && speed === 1) return 'It is now:'
  return speed === 0 ? 'Time stands still at' : 'For the plugin it is'
}

function minutes(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16)
}
