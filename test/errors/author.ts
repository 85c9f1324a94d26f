import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isErrorCode, LyceumError } from '../../host/errors.ts'
import { bundlePlugin, type PluginBundle } from '../../workbench/bundle.ts'
import { placesOf } from '../../workbench/code-frame.ts'
import { startHost, type TestHost } from '../support/host.ts'
import type { Mistake } from './mistake.ts'

/** What an author was told of a mistake. */
export interface Told {
  readonly code: string
  readonly message: string
  /** The first place that it names: `plugin.ts:3:21`. */
  readonly at: string | undefined
}

const EVENT = {
  event_type: 'play_video',
  event_source: 'browser',
  time: '2026-11-02T08:00:00Z',
  username: 'ann',
  context: { course_id: 'course-v1:Lyceum+STAT101+2026', user_id: 7 },
  event: { id: 'intro', currentTime: 0 },
}
/** As many as one owner may have under way. */
const AT_ONCE = 3
const MOST_TRIES = 5
const ADMIN = { role: 'admin', user: undefined, courses: [], plugins: 'all' } as const

/**
 * Somebody who makes mistakes on a host with one event and one replica. Those that are in no other's way are
 * made as files of one plugin: a plugin for each would take longer than everything else.
 */
export class Author {
  readonly lyceum: TestHost
  readonly #folder: string
  #plugins = 0

  private constructor(lyceum: TestHost, folder: string) {
    this.lyceum = lyceum
    this.#folder = folder
  }

  static async start(): Promise<Author> {
    const folder = await mkdtemp(join(tmpdir(), 'lyceum-author-'))
    const path = join(folder, 'lms.db')
    const db = new DatabaseSync(path)
    db.exec('CREATE TABLE grades (user TEXT, percent REAL)')
    db.close()
    const env = { LYCEUM_REPLICAS: JSON.stringify({ lms: { kind: 'sqlite', path } }) }
    const lyceum = await startHost(undefined, undefined, env)
    await lyceum.send([EVENT])
    return new Author(lyceum, folder)
  }

  async stop(): Promise<void> {
    await this.lyceum.dispose()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Makes all mistakes, and resolves with what the author is told of each, in their order. */
  async make(mistakes: readonly Mistake[]): Promise<Told[]> {
    const told = new Map<Mistake, Told>()
    const alone = mistakes.filter((mistake) => !isShared(mistake))
    const shared = mistakes.filter(isShared)
    const work = async () => {
      for (let mistake = alone.shift(); mistake !== undefined; mistake = alone.shift())
        told.set(mistake, await this.#makeAlone(mistake))
    }
    await Promise.all([this.#makeShared(shared, told), ...Array.from({ length: AT_ONCE }, work)])
    return mistakes.flatMap((mistake) => told.get(mistake) ?? [])
  }

  async #makeAlone(mistake: Mistake): Promise<Told> {
    const id = `plays${++this.#plugins}`
    const failure = await refusalOf(async () => {
      const bundle = await this.#bundle(mistake, id)
      if (mistake.before !== undefined)
        await this.#publish(await this.#bundle({ ...mistake, files: mistake.before }, id))
      const warnings = await this.#publish(bundle, mistake.code === 'over_cpu' ? 0 : MOST_TRIES)
      if (mistake.shows === 'warning') throw new Warned(warnings.join('\n'))
      if (mistake.quota !== undefined)
        await this.lyceum.call('PATCH', `/v1/plugins/${id}/quota`, { body: mistake.quota })
      const name = mistake.ask?.name ?? this.#onlyEndpoint(id)
      await (mistake.shows === 'handler' ? this.#handle(id, name) : this.#ask(mistake, id, name))
    })
    return toldOf(failure, mistake, (text) => text.replaceAll(id, 'plays'))
  }

  /** Each mistake is a file, whose endpoint goes by the file's name. */
  async #makeShared(mistakes: readonly Mistake[], told: Map<Mistake, Told>): Promise<void> {
    const files: Record<string, string> = {}
    const exports: string[] = []
    for (const [index, { files: text }] of mistakes.entries()) {
      files[`m${index}.ts`] = String(text)
      exports.push(`export { ${exportOf(String(text))} as m${index} } from './m${index}.ts'`)
    }
    files['plugin.ts'] = exports.join('\n')
    await this.#publish(await this.#bundle({ files }, 'plays'))
    for (const [index, mistake] of mistakes.entries()) {
      const name = `m${index}`
      const failure = await refusalOf(() =>
        mistake.shows === 'handler' ? this.#handle('plays', name) : this.#ask(mistake, 'plays', name),
      )
      const said = toldOf(failure, mistake, (text) =>
        text
          .replaceAll(`${name}.ts`, 'plugin.ts')
          .replaceAll(new RegExp(`\\b${name}\\b`, 'g'), exportOf(String(mistake.files))),
      )
      told.set(mistake, said)
    }
  }

  async #bundle(mistake: Pick<Mistake, 'files' | 'package'>, id: string): Promise<PluginBundle> {
    const { files, package: about = { name: id, version: '1.0.0' } } = mistake
    const dir = join(await mkdtemp(join(this.#folder, 'plugin-')), 'plays')
    const all = typeof files === 'string' ? { 'plugin.ts': files } : files
    for (const [path, text] of Object.entries(all)) {
      await mkdir(dirname(join(dir, path)), { recursive: true })
      await writeFile(join(dir, path), text)
    }
    if (about !== false)
      await writeFile(join(dir, 'package.json'), typeof about === 'string' ? about : JSON.stringify(about))
    return bundlePlugin(dir)
  }

  /** @param tries on a machine that is busy with other things, loading takes longer than a host waits for it */
  async #publish(bundle: PluginBundle, tries = MOST_TRIES): Promise<readonly string[]> {
    const { name } = bundle.package
    const { status, json } = await this.lyceum.call('POST', `/v1/plugins/${name}/versions`, { body: bundle })
    if (json.code === 'over_wall' && tries > 0) return this.#publish(bundle, tries - 1)
    if (status >= 400) throw problemOf(json, json.detail)
    return json.warnings ?? []
  }

  #onlyEndpoint(id: string): string {
    return this.lyceum.host.plugins.get(id).endpoints.keys().next().value ?? ''
  }

  async #ask({ shows, ask }: Mistake, id: string, name: string): Promise<void> {
    const { host } = this.lyceum
    const asked = Object.entries(ask?.with ?? {})
    try {
      await host.questions.answer(shows === 'view' ? 'view' : 'query', id, name, asked, ADMIN)
    } catch (error) {
      throw error instanceof LyceumError ? await host.explain(error, true) : error
    }
  }

  /** Waits until a handler is through with the event. */
  async #handle(id: string, endpoint: string): Promise<void> {
    await this.lyceum.settled()
    const { json } = await this.lyceum.call('GET', `/v1/plugins/${id}/dead-letters?endpoint=${endpoint}`)
    const [letter] = json.letters
    if (letter !== undefined) throw problemOf(letter, letter.message)
  }
}

/** Whether a mistake stays the same beside others in one plugin. */
function isShared({ shows, files, quota, before, ask, package: about }: Mistake): boolean {
  const runs = shows === 'view' || shows === 'query' || shows === 'handler'
  const plain = typeof files === 'string' && !/\bself\b|collection\(\{/.test(files)
  return runs && plain && !quota && !before && !about && ask?.with === undefined && ask?.name === undefined
}

function exportOf(text: string): string {
  return /export const (\w+)/.exec(text)?.[1] ?? ''
}

/** What was published, but with a word about it. */
class Warned extends Error {}

async function refusalOf(make: () => Promise<unknown>): Promise<LyceumError | Warned | undefined> {
  try {
    await make()
    return undefined
  } catch (error) {
    if (error instanceof LyceumError || error instanceof Warned) return error
    throw error
  }
}

function problemOf(problem: Readonly<Record<string, unknown>>, message: unknown): LyceumError {
  return new LyceumError(isErrorCode(problem.code) ? problem.code : 'internal', String(message), problem)
}

function toldOf(
  error: LyceumError | Warned | undefined,
  { title }: Mistake,
  plain: (text: string) => string,
): Told {
  if (error === undefined) return { code: 'none', message: `Nobody minded: ${title}`, at: undefined }
  if (error instanceof Warned)
    return { code: 'warning', message: error.message, at: /^\S+:\d+:\d+/.exec(error.message)?.[0] }
  const [place] = placesOf(error)
  return {
    code: error.code,
    // What is left of the time differs from one run to the next.
    message: plain(error.message).replace(/within \d+ ms/, 'within 150 ms'),
    at: place && plain(`${place.source}:${place.line}:${place.column}`),
  }
}
