import { html } from 'hono/html'
import type { Caller } from '../auth/tokens.ts'
import { STYLE_PATH } from './assets.ts'

/** A piece of a page: what `html` makes, with everything in it escaped. */
export type Markup = ReturnType<typeof html>

/** What a page consists of, beside what all pages share. */
export interface Page {
  readonly title: string
  /** Who looks at it; nobody on pages that say goodbye. */
  readonly caller?: Caller
  /** Markup for the head. */
  readonly head?: Markup
  readonly body: Markup
}

/** A whole page of the host. Styles and scripts are files of ours: the policy of our pages lets no other run. */
export function layout({ title, caller, head, body }: Page): Markup {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Lyceum</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${STYLE_PATH}">
${head ?? ''}
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<a class="brand" href="/">Lyceum</a>
${caller && looksAfterPlugins(caller) ? html`<a href="/plugins">Plugins</a>` : ''}
${caller ? signedIn(caller) : ''}
</header>
<main id="main" tabindex="-1">
${body}
</main>
</body>
</html>`
}

function looksAfterPlugins({ role }: Caller): boolean {
  return role === 'author' || role === 'admin'
}

function signedIn({ user, role }: Caller): Markup {
  return html`<div class="who">
<span>${user === undefined ? html`Signed in as <strong>${role}</strong>` : html`<strong>${user}</strong>, ${role}`}</span>
<form method="post" action="/sign-out"><button class="quiet">Sign out</button></form>
</div>`
}

/** The page after signing out. */
export function signedOutPage(): Markup {
  return layout({
    title: 'Signed out',
    body: html`<h1>You are signed out</h1>
<p>To sign in again, open a new sign-in link. The host prints one whenever it starts, and <code>npx lyceum sign-in ROLE</code> makes one.</p>`,
  })
}
