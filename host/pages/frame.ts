import { html, raw } from 'hono/html'
import type { Problem } from '../problem.ts'
import { FRAME_PAPER_STYLE, FRAME_SCRIPT, FRAME_STYLE } from './assets.ts'

/**
 * The policy of the frame in which a view's html runs. Whatever a view's script does, nothing that it
 * knows leaves the browser: it has no network, no forms, no storage, and an origin of its own. The
 * Connection-Allowlist closes what no Content-Security-Policy covers: WebRTC, and connections made ahead.
 *
 * The one thing that it loads are images from our own `/files/`, which answers to a ticket alone: what is asked for
 * there reaches nobody but this host. All plugins' files, since a view may hold others' views.
 *
 * @param host the name that the browser knows this host by
 */
export function frameHeaders(host = ''): ReadonlyMap<string, string> {
  // What is not a name could say anything else in a policy.
  const files = /^[\w.-]+(?::\d+)?$/.test(host) ? `${host}/files/` : undefined
  return new Map([
    [
      'Content-Security-Policy',
      "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
        `img-src data:${files === undefined ? '' : ` ${files}`}; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'`,
    ],
    // A proxy in front may speak the other scheme with the browser.
    ['Connection-Allowlist', files === undefined ? '()' : `("https://${files}*" "http://${files}*")`],
    ...OTHER_HEADERS,
  ])
}

const OTHER_HEADERS = new Map([
  ['Content-Type', 'text/html; charset=utf-8'],
  ['Referrer-Policy', 'no-referrer'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['X-DNS-Prefetch-Control', 'off'],
])

const HEAD = Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>View</title>
<style>${FRAME_STYLE}</style>
<style media="print">${FRAME_PAPER_STYLE}</style>
<script>${FRAME_SCRIPT}</script>
</head>
<body>
`)
const END = Buffer.from('\n</body>\n</html>\n')

const SAMPLE_BANNER = Buffer.from(
  '<p role="note" class="sample"><strong>Sample data.</strong> Something here is made up: a plugin that this asks is not installed, or was not when its data were made.</p>\n',
)
const NOTHING = Buffer.alloc(0)

/**
 * The document of a frame: ours around the plugin's bytes, which the host never reads.
 * @param isSample whether something in it is made up
 */
export function frameDocument(inside: Uint8Array, isSample = false): Uint8Array<ArrayBuffer> {
  return Buffer.concat([HEAD, isSample ? SAMPLE_BANNER : NOTHING, inside, END])
}

/** The inside of a frame that shows why there is no view. */
export async function frameProblem({ title, detail, code, stack }: Problem): Promise<Uint8Array> {
  const markup = await html`<div role="alert">
<h2>${title}</h2>
<p>${detail}</p>
${typeof stack === 'string' ? html`<pre tabindex="0">${stack}</pre>` : raw('')}
<p><small>${code}</small></p>
</div>`
  return Buffer.from(markup.toString())
}
