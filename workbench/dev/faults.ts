import { z } from 'zod'
import type { LogLine } from '../../host/capabilities/log.ts'
import { LyceumError } from '../../host/errors.ts'
import type { PluginBundle } from '../bundle.ts'
import { codeFrame, ownFile, type PlacedProblem, placesOf, placesOfStack } from '../code-frame.ts'

/** A place in the author's code where something is wrong, with the lines around it. */
export interface FaultPlace {
  readonly source: string
  readonly line: number
  readonly column: number
  /** What is wrong there, where there is more than one thing. */
  readonly message: string
  /** Some lines of code with a caret under the column; '' where there is no such file. */
  readonly frame: string
}

/** Something that the author has to mend. */
export interface Fault {
  /**
   * `save`: it keeps what was saved last from running. `run`: the version that runs threw it. `around`: it is not of
   * the plugin.
   */
  readonly during: 'save' | 'run' | 'around'
  /** What threw it, and its version; '' of a save. */
  readonly endpoint: string
  readonly version: string
  readonly code: string
  readonly message: string
  readonly places: readonly FaultPlace[]
  readonly stack: string
  /** How often it was seen. */
  readonly times: number
  readonly atMs: number
}

/** The text of one of the author's files; undefined where there is none. */
type SourceText = (source: string) => Promise<string | undefined>

const MOST_PLACES = 5
/** Different errors of a version that are shown; whoever fails in more ways starts with these. */
const MOST_FAULTS = 20
const SourceMapSources = z.object({
  sources: z.array(z.string().nullable()),
  sourcesContent: z.array(z.string().nullable()),
})

/** What is wrong with a plugin just now: with what was saved last, and with what runs. */
export class Faults {
  readonly #dir: string
  #ofSave: Fault | undefined
  readonly #around: Fault[] = []
  readonly #ofRun = new Map<string, Fault>()
  /** What the running version was bundled from: the files may have changed since. */
  #running: SourceText = async () => undefined

  constructor(dir: string) {
    this.#dir = dir
  }

  /** All of them, what keeps a save from running first. */
  get all(): readonly Fault[] {
    return [...(this.#ofSave === undefined ? [] : [this.#ofSave]), ...this.#ofRun.values(), ...this.#around]
  }

  /** Another version runs: it has a new chance. @returns whether something was wrong before */
  runs(bundle: PluginBundle): boolean {
    const hadFaults = this.mended() || this.#ofRun.size > 0
    this.#ofRun.clear()
    this.#running = textsIn(bundle)
    return hadFaults
  }

  /** What was saved is what runs. @returns whether it was not */
  mended(): boolean {
    const had = this.#ofSave !== undefined
    this.#ofSave = undefined
    return had
  }

  /**
   * What was saved last cannot run.
   * @param bundle what was refused, where it could be bundled
   */
  async ofSave(error: unknown, bundle?: PluginBundle): Promise<Fault> {
    this.#ofSave = await faultOf(
      'save',
      error,
      bundle === undefined ? (source) => ownFile(this.#dir, source) : textsIn(bundle),
    )
    return this.#ofSave
  }

  /** Something failed that is not of the plugin: its events could not be read, or its folder not be watched. */
  async around(error: unknown): Promise<Fault> {
    const fault = await faultOf('around', error, async () => undefined)
    this.#around.push(fault)
    return fault
  }

  /** What the host logged about the version that runs. */
  async ofRun({ line, endpoint, version, atMs }: LogLine): Promise<Fault> {
    const stackAt = /^\s+at /m.exec(line)?.index ?? line.length
    const message = onceEach(line.slice(0, stackAt))
    const key = `${endpoint}\n${message}`
    const known = this.#ofRun.get(key)
    const fault: Fault = known
      ? { ...known, times: known.times + 1, atMs }
      : {
          during: 'run',
          endpoint,
          version,
          code: 'plugin_failed',
          message,
          places: await framed(placesOfStack(line).slice(0, 1), this.#running),
          stack: line.slice(stackAt).trimEnd(),
          times: 1,
          atMs,
        }
    if (known !== undefined || this.#ofRun.size < MOST_FAULTS) this.#ofRun.set(key, fault)
    return fault
  }
}

async function faultOf(during: Fault['during'], error: unknown, text: SourceText): Promise<Fault> {
  const refusal =
    error instanceof LyceumError
      ? error
      : new LyceumError('internal', error instanceof Error ? error.message : String(error))
  const { stack } = refusal.details ?? {}
  const placed = placesOf(refusal)
  return {
    during,
    endpoint: '',
    version: '',
    code: refusal.code,
    // Where each place has its own sentence, the rest of the message is those once more.
    message: placed.some(({ message }) => message) ? firstLine(refusal.message) : refusal.message,
    places: await framed(placed, text),
    stack: typeof stack === 'string' ? stack : '',
    times: 1,
    atMs: Date.now(),
  }
}

/** A stack begins with the message that stands before it already. */
function onceEach(text: string): string {
  const lines = text.trim().split('\n')
  return lines.filter((line, at) => !lines.slice(0, at).some((before) => before.includes(line))).join('\n')
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

async function framed(places: readonly PlacedProblem[], text: SourceText): Promise<FaultPlace[]> {
  return Promise.all(
    places.slice(0, MOST_PLACES).map(async ({ message = '', ...place }) => {
      const source = await text(place.source)
      return { ...place, message, frame: source === undefined ? '' : codeFrame(source, place) }
    }),
  )
}

/** The files that a bundle was made of. */
function textsIn({ sourceMap }: PluginBundle): SourceText {
  let texts: Map<string | null, string | null> | undefined
  return async (source) => {
    if (texts === undefined) {
      const { sources, sourcesContent } = SourceMapSources.parse(JSON.parse(sourceMap))
      texts = new Map(sources.map((name, at) => [name, sourcesContent[at] ?? null]))
    }
    return texts.get(source) ?? undefined
  }
}
