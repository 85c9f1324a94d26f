import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { html, raw } from 'hono/html'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Logger } from 'pino'
import type { AppEnv } from './auth/gate.ts'
import { ERRORS, LyceumError } from './errors.ts'
import { typeOf } from './errors-explained.ts'
import { dataFailure } from './storage/data-failure.ts'

/** An error as `application/problem+json` (RFC 9457) carries it. */
export interface Problem {
  readonly [detail: string]: unknown
  /** Where the host explains the code. */
  readonly type: `/docs/errors#${string}`
  readonly title: string
  readonly status: ContentfulStatusCode
  readonly code: string
  readonly detail: string
}

/** The public form of a refusal. */
export function toProblem(error: LyceumError): Problem {
  const { status, title } = ERRORS[error.code]
  return {
    ...error.details,
    type: typeOf(error.code),
    title,
    status,
    code: error.code,
    detail: error.message,
  }
}

/**
 * Answers with a problem, or with a page where a browser asks for one. Whatever is not a refusal of ours
 * becomes `internal` with the request's id; what really happened is only in the host's log, under that id.
 */
export function answerError(c: Context<AppEnv>, thrown: Error, logger: Logger): Response | Promise<Response> {
  const error = toRefusal(c, thrown, logger)
  const problem = toProblem(error)
  c.header('Cache-Control', 'no-store')
  if (problem.status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (typeof problem.retryAfterMs === 'number')
    c.header('Retry-After', String(Math.ceil(problem.retryAfterMs / 1_000)))
  if (c.req.header('accept')?.includes('text/html')) {
    c.header('Content-Security-Policy', ERROR_PAGE_CSP)
    return c.html(errorPage(problem), problem.status)
  }
  c.header('Content-Type', 'application/problem+json')
  return c.body(JSON.stringify(problem), problem.status)
}

/** What was thrown as a refusal that may leave the host; anything unforeseen is logged and becomes `internal`. */
export function toRefusal(c: Context<AppEnv>, thrown: unknown, logger: Logger): LyceumError {
  if (thrown instanceof LyceumError && thrown.code !== 'internal') return thrown
  if (dataFailure(thrown) === 'full')
    return new LyceumError('disk_full', 'The disk of the host is full: nothing was changed. Try again later.')
  // The framework's own refusals: a body that its validators could not read.
  if (thrown instanceof HTTPException && thrown.status < 500)
    return new LyceumError('body_unreadable', 'The body cannot be parsed. Check its JSON and Content-Type.')
  const requestId = c.get('requestId')
  // The path alone: a query string may hold a token.
  logger.error({ requestId, method: c.req.method, path: c.req.path, err: thrown }, 'request failed')
  return new LyceumError('internal', `Tell an admin the request id ${requestId}.`, { requestId })
}

const STYLE =
  ':root{color-scheme:light dark;font:1.1rem/1.5 system-ui,sans-serif}' +
  'main{max-width:36rem;margin:15vh auto;padding:0 1.5rem}h1{font-size:1.6rem}'

/** The page brings its own style, allowed by hash, so that it shows even while nothing else works. */
const ERROR_PAGE_CSP = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`

/** A plain page for a person whose request was refused. */
function errorPage(problem: Problem) {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${problem.title} · Lyceum</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<h1>${problem.title}</h1>
<p>${problem.detail}</p>
<p><a href="${problem.type}"><code>${problem.status} ${problem.code}</code></a></p>
${problem.status === 401 ? '' : html`<p><a href="/">All views</a></p>`}
</main>
</body>
</html>`
}
