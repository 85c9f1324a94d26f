import { LyceumError } from '../../host/errors.ts'
import type { Bundler, PluginBundle } from '../bundle.ts'
import type { PublishAnswer, Workbench } from '../workbench.ts'
import type { Faults } from './faults.ts'
import type { DevRecord } from './records.ts'

/** A file that does not read may be half of one that is being written: so long is waited for the rest. */
const HALF_WRITTEN_MS = 150

/** What {@link Reloads} works with. */
export interface ReloadServices {
  readonly bundler: Bundler
  readonly workbench: Workbench
  readonly faults: Faults
  readonly tell: (record: DevRecord) => void
  /** Another version runs. */
  readonly onReload: (answer: PublishAnswer) => Promise<void>
}

/**
 * Puts what was saved in the place of what runs, one after the other. What cannot run leaves the version before
 * running; a save that comes meanwhile is looked at next, so the last save always wins.
 */
export class Reloads {
  readonly #services: ReloadServices
  readonly #saved = new Set<string>()
  #isDue = false
  #savedMs = 0
  #runs: PluginBundle | undefined
  #told = JSON.stringify([[], []])
  #working: Promise<void> | undefined
  #onSave: () => void = () => {}
  #closed = false

  constructor(services: ReloadServices) {
    this.#services = services
  }

  /**
   * Files were saved; at first none. Resolves when nothing that was saved is left to look at.
   * @param files relative to the plugin's folder
   */
  saved(files: readonly string[]): Promise<void> {
    if (!this.#isDue) this.#savedMs = performance.now()
    this.#isDue = true
    for (const file of files) this.#saved.add(file)
    this.#onSave()
    this.#working ??= this.#workOff().finally(() => {
      this.#working = undefined
    })
    return this.#working
  }

  /** Ends once what is under way is through. */
  async close(): Promise<void> {
    this.#closed = true
    this.#isDue = false
    this.#onSave()
    await this.#working
  }

  async #workOff(): Promise<void> {
    while (this.#isDue) {
      const files = [...this.#saved]
      this.#isDue = false
      this.#saved.clear()
      await this.#reload(files, this.#savedMs)
    }
  }

  async #reload(files: readonly string[], savedMs: number): Promise<void> {
    const { bundler, workbench, faults, tell, onReload } = this.#services
    const startMs = performance.now()
    let bundle: PluginBundle | undefined
    try {
      bundle = await bundler.bundle()
      refuseRenaming(bundle, workbench.plugin)
      if (isSame(bundle, this.#runs)) {
        if (faults.mended()) tell({ type: 'mended' })
        return
      }
      const bundledMs = performance.now()
      const answer = await workbench.publish(bundle)
      this.#runs = bundle
      const hadFaults = faults.runs(bundle)
      const doneMs = performance.now()
      tell({
        type: 'reload',
        version: answer.version,
        files,
        bundleMs: Math.round(bundledMs - startMs),
        publishMs: Math.round(doneMs - bundledMs),
        tookMs: Math.round(doneMs - savedMs),
        data: answer.rebuildOffered === null ? 'kept' : 'rebuilding',
        because: whatChanged(answer),
      })
      if (hadFaults) tell({ type: 'mended' })
      this.#tellNeeds(answer)
      await onReload(answer)
    } catch (error) {
      if (await this.#isSavedWithin(HALF_WRITTEN_MS)) return
      tell({ type: 'fault', fault: await faults.ofSave(error, isPublished(error) ? bundle : undefined) })
    }
  }

  /** What a publish would ask for is told when it changes; at first where there is anything. */
  #tellNeeds({ needs, warnings = [] }: PublishAnswer): void {
    const about = JSON.stringify([needs, warnings])
    if (about === this.#told) return
    this.#told = about
    this.#services.tell({ type: 'needs', needs, warnings })
  }

  /** Whether something is saved, or all ends, within that time. */
  async #isSavedWithin(waitMs: number): Promise<boolean> {
    if (this.#isDue || this.#closed) return true
    return new Promise((resolve) => {
      const settle = (saved: boolean) => {
        clearTimeout(timer)
        this.#onSave = () => {}
        resolve(saved)
      }
      const timer = setTimeout(() => settle(false), waitMs)
      this.#onSave = () => settle(true)
    })
  }
}

/** Why the data are not what the handlers would make of the events now; '' where they are. */
function whatChanged({ rebuildOffered }: PublishAnswer): string {
  if (rebuildOffered === null) return ''
  const { endpoints } = rebuildOffered
  return endpoints.length === 1
    ? `the handler ${endpoints[0]} changed`
    : `the handlers ${endpoints.join(', ')} changed`
}

function isSame(bundle: PluginBundle, other: PluginBundle | undefined): boolean {
  return JSON.stringify(bundle) === JSON.stringify(other)
}

/** Whether a host refused it, after it was bundled. */
function isPublished(error: unknown): boolean {
  return !(error instanceof LyceumError && error.code === 'bundle_broken' && error.details?.problems)
}

/** @throws {LyceumError} package_invalid */
function refuseRenaming(bundle: PluginBundle, plugin: string): void {
  const { name } = bundle.package
  if (name !== plugin)
    throw new LyceumError(
      'package_invalid',
      `package.json now says "name": "${name}", and ${plugin} runs here. Change it back, or start npx lyceum dev anew.`,
    )
}
