import { html, raw } from 'hono/html'
import { ERRORS, type ErrorCode } from '../errors.ts'
import { EXPLAINED } from '../errors-explained.ts'
import { layout, type Markup } from './layout.ts'

/** What there is to read on a host itself. */
export function docsPage(): Markup {
  return layout({
    title: 'Documentation',
    body: html`<h1>Documentation</h1>
<ul>
<li><a href="/docs/errors">Errors</a>: every code of a refusal, when it happens and what to do</li>
<li><a href="/openapi.json">OpenAPI</a>: every address of the API</li>
<li><a href="/v1/schema">Schema</a>: the views and queries that you may ask, with what each needs</li>
</ul>
<p>Guides for authors, admins and operators are in the folder <code>docs</code> of Lyceum.</p>`,
  })
}

/** Every code with its status, when it happens and what to do; `#code` leads to one. */
export function errorsPage(): Markup {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  return layout({
    title: 'Errors',
    body: html`<h1>Errors</h1>
<p>A refusal has a code that never changes its meaning, and a sentence that says what was wrong, where, and what to do. This is what each code is about.</p>
${codes.map(entry)}`,
  })
}

function entry(code: ErrorCode): Markup {
  const { status, title } = ERRORS[code]
  const { when, remedy } = EXPLAINED[code]
  return html`<section id="${code}">
<h2><code>${code}</code></h2>
<p><strong>${title}</strong> (${status}). ${linked(when)}</p>
<p>${linked(remedy)}</p>
</section>`
}

/** Text of ours with links of Markdown, whose targets are files of a checkout: here their words are enough. */
function linked(text: string) {
  return raw(
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replace(/\[([^\]]*)\]\(([^)]*)\)/g, 'docs/$2')
      .replace(/`([^`]*)`/g, '<code>$1</code>'),
  )
}
