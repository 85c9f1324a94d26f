import { html } from 'hono/html'
import type { RebuildStatus } from '../dispatch/rebuild.ts'
import type { RebuildOffer } from '../registry/rebuild-offer.ts'
import { amount, count } from '../text.ts'
import type { Markup } from './layout.ts'
import { list } from './plugin-list.ts'

/** What the page of a plugin tells of rebuilding its data. */
export interface RebuildPart {
  readonly id: string
  /** Whether it has handlers, and may run. */
  readonly canStart: boolean
  readonly status: RebuildStatus | undefined
  readonly offer: RebuildOffer | undefined
}

/** Offers a rebuild, shows how far one is, or how the last one ended. A script keeps it as it is now. */
export function rebuildSection({ id, canStart, status, offer }: RebuildPart): Markup {
  const isRunning = status?.state === 'running'
  if (!canStart && status === undefined) return html``
  return html`<section id="rebuild" aria-labelledby="rebuild-title" data-state="${status?.state ?? 'none'}">
<h2 id="rebuild-title">Rebuild</h2>
${isRunning ? running(id, status) : html`${status === undefined ? '' : outcome(id, status)}${canStart ? start(id, offer) : ''}`}
</section>`
}

function start(id: string, offer: RebuildOffer | undefined): Markup {
  return html`${offer === undefined ? '' : html`<p>${whyOf(offer)}</p>`}
<p class="muted">All its handlers run again, from the first event of the log on. What people see stays as it is until that is done.</p>
<form class="bar" method="post" action="/plugins/${id}/rebuild"><button class="${offer === undefined ? 'quiet' : ''}">Rebuild its data</button></form>`
}

function whyOf({ reason, endpoints }: RebuildOffer): Markup {
  return reason === 'rolled_back'
    ? html`It was rolled back, and its data were not: handlers of another version have written into them (${list(endpoints)}).`
    : html`Its data were made by handlers that have changed since (${list(endpoints)}).`
}

function running(
  id: string,
  { events, head, eventsPerSecond, secondsLeft, waitsFor, deadLetters }: RebuildStatus,
): Markup {
  return html`<div class="now">
<progress max="${Math.max(1, head)}" value="${events}" aria-labelledby="rebuild-title"></progress>
<p>${count(events)} of ${count(head)} events${
    eventsPerSecond > 0 ? html`, ${count(eventsPerSecond)} a second` : ''
  }${secondsLeft === null ? '' : html`, ${timeOf(secondsLeft)} left`}</p>
${deadLetters === 0 ? '' : html`<p>Its handlers failed on some: ${amount(deadLetters, 'dead letter')} so far.</p>`}
${waitsFor === null ? '' : html`<p>It waits: ${waitsFor}</p>`}
</div>
<noscript><p class="muted">Reload the page to see how far it is.</p></noscript>
<form class="bar" method="post" action="/plugins/${id}/cancel-rebuild"><button class="quiet">Cancel the rebuild</button></form>`
}

function outcome(
  id: string,
  { state, events, startedMs, endedMs, deadLetters, problem }: RebuildStatus,
): Markup {
  if (state === 'done')
    return html`<p class="done" role="status">Rebuilt from ${count(events)} events in ${timeOf(((endedMs ?? 0) - startedMs) / 1_000)}.${
      deadLetters === 0
        ? ''
        : html` Its handlers failed on some: <a href="/v1/plugins/${id}/dead-letters">${amount(deadLetters, 'dead letter')}</a>.`
    }</p>`
  return html`<p class="problem" role="status">${state === 'failed' ? 'The last rebuild failed: ' : ''}${problem?.message}</p>`
}

function timeOf(seconds: number): string {
  if (seconds < 90) return amount(Math.max(1, Math.round(seconds)), 'second')
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? amount(minutes, 'minute') : amount(Math.round(minutes / 60), 'hour')
}
