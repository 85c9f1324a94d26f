import { randomUUID } from 'node:crypto'
import { html } from 'hono/html'
import type { Caller } from '../auth/tokens.ts'
import type { ReadingEndpoint } from '../registry/plugin.ts'
import { count } from '../text.ts'
import { chartScriptPath, VIEW_SCRIPT_PATH } from './assets.ts'
import { type Field, fieldMarkup, isDecided } from './fields.ts'
import { layout, type Markup } from './layout.ts'

/** What the page around a view is made of. */
export interface ViewPage {
  readonly caller: Caller
  readonly endpoint: ReadingEndpoint
  readonly fields: readonly Field[]
  /** What the view is shown with, or what keeps it from being shown. */
  readonly content: ViewContent | { readonly problem: string }
}

export interface ViewContent {
  /** Where the frame is. */
  readonly frame: string
  /** Whose and what the result is: labels and values. */
  readonly about: readonly (readonly [string, string])[]
  /** `activity 1.0.0` */
  readonly version: string
  /** How far the plugin has read the log, and how far that goes. */
  readonly position: number
  readonly head: number
  /** How much older parts of it may be, because queries that the view can ask keep their answers. */
  readonly olderSeconds: number
}

/** The page around a view. It never waits for the plugin: only the frame does. */
export function viewPage({ caller, endpoint, fields, content }: ViewPage): Markup {
  const { title, description } = endpoint
  const about = 'about' in content ? content.about : []
  return layout({
    title,
    caller,
    // In the head, so that it listens before there is a frame that could be ready.
    head: html`<script src="${VIEW_SCRIPT_PATH}" data-charts="${chartScriptPath()}"></script>`,
    body: html`<nav aria-label="Where you are"><a href="/">All views</a></nav>
<h1>${title}</h1>
${description && html`<p>${description}</p>`}
${
  about.length > 0
    ? html`<dl class="about">${about.map(([label, value]) => html`<div><dt>${label}</dt> <dd>${value}</dd></div>`)}</dl>`
    : ''
}
${fields.some((field) => !isDecided(field)) ? choices(fields) : ''}
${'problem' in content ? html`<p class="problem" role="alert">${content.problem}</p>` : shown(title, content)}`,
  })
}

function choices(fields: readonly Field[]): Markup {
  return html`<form class="bar" method="get" aria-label="What to show">
${fields.map((field) => fieldMarkup(field, 'show'))}
<button>Show</button>
</form>`
}

/**
 * The frame is given no permission but to run scripts; its origin is nobody's. Its name is new each time:
 * going back, a browser would open a frame that it knows by name at the address that has expired since.
 */
function shown(title: string, { frame, version, position, head, olderSeconds }: ViewContent): Markup {
  const behind = head - position
  return html`<p class="status" role="status" id="status"></p>
<progress id="progress" max="1" aria-label="${`Progress of ${title}`}" hidden></progress>
<noscript><p class="muted">The result shows below as soon as it is ready.</p></noscript>
<iframe id="view" title="${title}" name="${randomUUID()}" src="${frame}" sandbox="allow-scripts" referrerpolicy="no-referrer"></iframe>
<p class="muted">Data as of event ${count(position)} of the log${
    behind > 0 ? `; ${count(behind)} newer ones are still being read` : ''
  }${olderSeconds > 0 ? `; parts of it may be up to ${duration(olderSeconds)} older` : ''} · ${version}</p>`
}

function duration(seconds: number): string {
  if (seconds < 120) return `${count(seconds)} seconds`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${count(minutes)} minutes` : `${count(Math.ceil(minutes / 60))} hours`
}
