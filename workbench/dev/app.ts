import { Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import { streamSSE } from 'hono/streaming'
import { z } from 'zod'
import { type App, ownNamesOnly, securityHeaders } from '../../host/app.ts'
import { type AppEnv, refuseCrossSite } from '../../host/auth/gate.ts'
import { SESSION_COOKIE, SESSION_SECONDS } from '../../host/auth/sign-in.ts'
import { issueToken } from '../../host/auth/tokens.ts'
import { LyceumError } from '../../host/errors.ts'
import type { Host } from '../../host/host.ts'
import { ownPage } from '../../host/pages/headers.ts'
import { answerError } from '../../host/problem.ts'
import { DEV_ASSETS } from './assets.ts'
import { askedOf, callerOf, choiceOf, claimsOf } from './choice.ts'
import type { Dev } from './dev.ts'
import { devPage, PARTS, type PartName, partOf } from './page.ts'
import { partsChangedBy } from './stale.ts'

/** A line by which a browser sees that the other side is still there. */
const ALIVE_MS = 15_000
const MOST_LEARNERS = 1_000
const MS_OF_YEAR = 365 * 24 * 3_600_000

const Clock = z.object({
  at: z.union([z.literal(''), z.iso.datetime({ local: true })]).default(''),
  speed: z.coerce.number().default(1),
})
const Learners = z.object({ count: z.coerce.number().int().min(1).max(MOST_LEARNERS).default(100) })

/**
 * The page of `lyceum dev`, in front of the host's own app. It asks nobody to sign in, so it answers only on this
 * machine, by its own names, and changes things only for its own pages.
 *
 * @param started resolves when there is something to show
 */
export function createDevApp(inner: App, host: Host, started: Promise<Dev>): Pick<App, 'fetch'> {
  const app = new Hono<AppEnv>()
  app.onError((error, c) => answerError(c, error, host.logger))
  app.use(securityHeaders(host.config), ownNamesOnly(host.config.bind))
  app.use(async (c, next) => {
    if (c.req.method !== 'GET') refuseCrossSite(c)
    ownPage(c)
    await next()
  })
  app.get('/', (c) => c.redirect('/dev'))
  app.get('/dev', async (c) => {
    const dev = await started
    return c.html(await devPage(dev, choiceOf(queryOf(c.req.url), dev)))
  })

  app.get('/dev/parts', async (c) => {
    const dev = await started
    const query = queryOf(c.req.url)
    const wanted = new Set(query.get('dev-parts')?.split(','))
    query.delete('dev-parts')
    const choice = choiceOf(query, dev)
    const names = PARTS.filter((name) => wanted.has(name))
    const parts = await Promise.all(
      names.map(async (name) => [name, String(await partOf(name, dev, choice))] as const),
    )
    return c.json(Object.fromEntries(parts))
  })

  app.get('/dev/changes', async (c) => {
    const { records } = await started
    const missed = c.req.query('since') !== records.mark
    const stale = new Set<PartName>()
    let wake: () => void = () => {}
    let isOver = false
    const end = records.listen((record) => {
      for (const name of partsChangedBy(record)) stale.add(name)
      wake()
    })
    return streamSSE(c, async (out) => {
      out.onAbort(() => {
        isOver = true
        wake()
      })
      const alive = setInterval(() => void out.writeSSE({ event: 'alive', data: '' }), ALIVE_MS)
      try {
        // What was missed while it did not listen is looked at once.
        if (missed) await out.writeSSE({ data: JSON.stringify(PARTS) })
        while (!isOver && !host.stopping()) {
          if (stale.size === 0)
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          const names = [...stale]
          stale.clear()
          if (names.length > 0) await out.writeSSE({ data: JSON.stringify(names) })
        }
      } finally {
        clearInterval(alive)
        end()
      }
    })
  })

  /** Signs the browser in as the chosen viewer, and shows the view as they have it. */
  app.get('/dev/open', async (c) => {
    refuseCrossSite(c)
    const dev = await started
    const choice = choiceOf(queryOf(c.req.url), dev)
    if (choice.endpoint === undefined)
      throw new LyceumError('endpoint_unknown', 'The plugin has neither a view nor a query yet.')
    const { kind, name } = choice.endpoint
    setCookie(c, SESSION_COOKIE, await issueToken(host.keys, claimsOf(choice), SESSION_SECONDS), {
      path: '/',
      httpOnly: true,
      sameSite: 'Lax',
      maxAge: SESSION_SECONDS,
    })
    const asked = new URLSearchParams(askedOf(choice, callerOf(choice)))
    const where = kind === 'view' ? '/views' : '/v1/queries'
    return c.redirect(`${where}/${dev.workbench.plugin}/${name}?${asked}`, 303)
  })

  app.post('/dev/clock', async (c) => {
    const { at, speed } = bodyOf(Clock, await c.req.parseBody())
    const fromMs = at === '' ? null : Date.parse(`${at}Z`)
    if (fromMs !== null && Math.abs(fromMs - Date.now()) > 100 * MS_OF_YEAR)
      throw new LyceumError('bad_parameter', 'at: a time of this century.', { parameter: 'at' })
    const dev = await started
    await dev.setClock({ fromMs, speed })
    return c.redirect(back(c.req.header('referer')), 303)
  })
  app.post('/dev/learners', async (c) => {
    await (await started).events.addLearners(bodyOf(Learners, await c.req.parseBody()).count)
    return c.redirect(back(c.req.header('referer')), 303)
  })
  app.post('/dev/retry', async (c) => {
    await (await started).retryDeadLetters()
    return c.redirect(back(c.req.header('referer')), 303)
  })
  app.post('/dev/rebuild', async (c) => {
    await (await started).rebuild()
    return c.redirect(back(c.req.header('referer')), 303)
  })

  app.get('/dev/assets/:file', (c) => {
    const asset = DEV_ASSETS.get(c.req.param('file'))
    if (asset === undefined) throw new LyceumError('not_found', 'There is no such file. Reload the page.')
    c.header('Content-Type', asset.type)
    return c.body(asset.body)
  })

  return {
    fetch: (request, env, context) => {
      const { pathname } = new URL(request.url)
      const isOurs = pathname === '/' || pathname === '/dev' || pathname.startsWith('/dev/')
      return isOurs ? app.fetch(request, env, context) : inner.fetch(request, env, context)
    },
  }
}

function queryOf(url: string): URLSearchParams {
  return new URL(url).searchParams
}

/** @throws {LyceumError} bad_parameter */
function bodyOf<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const parameter = issue?.path.map(String).join('.') || 'the form'
  throw new LyceumError('bad_parameter', `${parameter}: ${issue?.message ?? 'does not fit'}.`, { parameter })
}

/** The page that a form was sent from, with what it shows. */
function back(referer = ''): string {
  const query = URL.parse(referer)?.search ?? ''
  return `/dev${query}`
}
