import type { Caller } from '../auth/tokens.ts'
import { LyceumError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { PendingVersion } from './approvals.ts'
import { pendingOf } from './approvals.ts'
import type { VersionRow } from './catalogue.ts'
import type { Plugins } from './plugins.ts'
import { checkVersion, ownerOf, type PublishBody, type PublishServices } from './publish.ts'
import { type PublishPlan, planOf } from './publish-plan.ts'
import { type RebuildOffer, rebuildOfferOf } from './rebuild-offer.ts'
import { collectionsOf, missingOf } from './version.ts'

/** The answer to a publish. */
export interface Published {
  readonly version: string
  /** What it asks for; where it is pending, what of that is not approved. */
  readonly needs: readonly string[]
  readonly approval: 'granted' | 'pending'
  /** Where it is pending: how it differs from what runs meanwhile. */
  readonly pending?: PendingVersion
  /** Where its data were made by other handlers than those that run now. */
  readonly rebuildOffered: RebuildOffer | null
  /** Sentences about what will not work, or not be as it is written. */
  readonly warnings?: readonly string[]
}

/** Takes new versions in. */
export class Publishing {
  readonly #plugins: Plugins
  readonly #services: PublishServices
  /** Publishes under way, by whom. */
  readonly #underWay = new Map<string, number>()

  constructor(plugins: Plugins, services: PublishServices) {
    this.#plugins = plugins
    this.#services = services
  }

  /** Checks and keeps a version, and activates it where it asks for nothing that is not approved. */
  publish(id: string, body: PublishBody, caller: Caller): Promise<Published> {
    return this.#oneOfFew(id, caller, () => this.#publish(id, body, caller))
  }

  /** Checks a version like {@link publish} and tells what that would change. Nothing is kept. */
  plan(id: string, body: PublishBody, caller: Caller): Promise<PublishPlan> {
    return this.#oneOfFew(id, caller, async () => {
      const { row, samples, granted, warnings } = await this.#check(id, body, caller)
      const plan = planOf(this.#services.catalogue, row, samples, granted)
      return { ...plan, warnings: [...plan.warnings, ...warnings] }
    })
  }

  async #oneOfFew<Result>(id: string, caller: Caller, change: () => Promise<Result>): Promise<Result> {
    const owner = ownerOf(caller)
    const underWay = this.#underWay.get(owner) ?? 0
    if (underWay >= LIMITS.publishesAtOnce)
      throw new LyceumError(
        'over_concurrency',
        `You are publishing ${underWay} versions right now. Wait until one of them is done.`,
      )
    this.#underWay.set(owner, underWay + 1)
    try {
      return await this.#plugins.changing(id, change)
    } finally {
      const left = (this.#underWay.get(owner) ?? 1) - 1
      if (left > 0) this.#underWay.set(owner, left)
      else this.#underWay.delete(owner)
    }
  }

  async #check(id: string, body: PublishBody, caller: Caller) {
    const { catalogue } = this.#services
    const checked = await checkVersion(body, id, caller, this.#services)
    const { row, needs } = checked
    const same = catalogue.version(id, row.version)
    if (same !== undefined && same.hash !== row.hash)
      throw new LyceumError(
        'version_exists',
        `Version ${row.version} of ${id} exists with other content. Raise "version" in package.json, for example to ${nextOf(row.version)}.`,
      )
    const before = catalogue.plugin(id)
    if (before?.removed === 'delete')
      throw new LyceumError(
        'store_lost',
        `The data of ${id} are still to be deleted. Try again, or once the host has been started anew.`,
      )
    // What an admin publishes, an admin has approved.
    const granted = new Set([...(before?.granted ?? []), ...(caller.role === 'admin' ? needs : [])])
    return {
      ...checked,
      warnings: [...checked.warnings, ...(same === undefined ? [] : keptDescriptions(same, row))],
      granted: [...granted],
      isKnown: same !== undefined,
      isActive: before?.activeVersion === row.version,
    }
  }

  async #publish(id: string, body: PublishBody, caller: Caller): Promise<Published> {
    const { catalogue } = this.#services
    const checked = await this.#check(id, body, caller)
    const { row, code, owner, needs, samples, granted, isKnown, isActive, warnings } = checked
    const { version } = row
    const some = warnings.length > 0 && { warnings }
    const missing = missingOf(row, { granted })
    // The indexes are those of the version that runs, so one that has to wait must not change them.
    if (missing.length === 0 && !isActive)
      await this.#plugins.storeOf(id).declare(collectionsOf(row.endpoints))
    if (isKnown) catalogue.setSamples(id, version, samples)
    else catalogue.addVersion(owner, row, code, samples, this.#plugins.generationOf(id))
    if (missing.length > 0) {
      const pending = pendingOf(catalogue, id)
      return {
        version,
        needs: missing,
        approval: 'pending',
        ...(pending && { pending }),
        rebuildOffered: null,
        ...some,
      }
    }
    catalogue.setGranted(id, granted)
    if (isActive) this.#plugins.regrant(id)
    else await this.#plugins.activate(id, version)
    const rebuildOffered = rebuildOfferOf(catalogue, id) ?? null
    return { version, needs, approval: 'granted', rebuildOffered, ...some }
  }
}

/** Descriptions are no code: what runs is the same, but people go on reading those of the version that is kept. */
function keptDescriptions(kept: VersionRow, { plugin, version, ...now }: VersionRow): string[] {
  const before = new Map(kept.endpoints.map(({ name, description }) => [name, description]))
  const others = now.endpoints.filter(({ name, description }) => before.get(name) !== description)
  const isOther = kept.title !== now.title || kept.description !== now.description
  const of = [...(isOther ? ['package.json'] : []), ...others.map(({ name }) => name)]
  if (of.length === 0) return []
  return [
    `${plugin} ${version} keeps the descriptions that it was published with; those of ${of.join(', ')} are others now. Raise "version" in package.json, for example to ${nextOf(version)}.`,
  ]
}

/** `1.0.0` → `1.0.1`: a version that is free, most likely. */
function nextOf(version: string): string {
  const [major, minor, patch] = version.split(/[-+]/, 1)[0]?.split('.') ?? []
  return `${major}.${minor}.${Number(patch) + 1}`
}
