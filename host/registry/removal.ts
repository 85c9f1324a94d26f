import type { Logger } from 'pino'
import { LyceumError } from '../errors.ts'
import type { Catalogue } from './catalogue.ts'
import type { Conduct } from './conduct.ts'
import type { Plugins } from './plugins.ts'

export interface RemovalServices {
  readonly catalogue: Catalogue
  readonly plugins: Plugins
  readonly conduct: Conduct
  readonly logger: Logger
  /** Lets go of what is kept in memory of a plugin. */
  readonly forget: (plugin: string) => void
  /** Deletes everything that a plugin has on disks. Done again where it was interrupted. */
  readonly deleteData: (plugin: string) => Promise<void>
}

/**
 * Uninstalls plugins. What is decided stands in the registry before anything is taken away, so a host that is
 * killed in the middle goes on with it at its next start.
 */
export class Removal {
  readonly #services: RemovalServices

  constructor(services: RemovalServices) {
    this.#services = services
  }

  /** Finishes what an earlier run of the host began. Before the plugins are started. */
  async finish(): Promise<void> {
    for (const { id, removed } of this.#services.catalogue.plugins())
      if (removed === 'delete')
        await this.#delete(id).catch((error: unknown) =>
          this.#services.logger.error(
            { err: error, plugin: id },
            'the data of a plugin could not be deleted',
          ),
        )
  }

  /**
   * Stops a plugin and takes its versions and approvals away. Its data stay for its owner, who may install it
   * again and goes on from its cursors, or are deleted for good.
   * @param force also where others are approved to ask it: they are told `plugin_unknown` from now on
   * @throws {LyceumError} plugin_unknown, plugin_needed
   */
  uninstall(id: string, data: 'keep' | 'delete', force: boolean): Promise<void> {
    const { catalogue, plugins, conduct, forget } = this.#services
    return plugins.changing(id, async () => {
      if (catalogue.plugin(id) === undefined) throw plugins.unknown(id)
      const dependants = this.#dependantsOf(id)
      if (dependants.length > 0 && !force)
        throw new LyceumError(
          'plugin_needed',
          `${dependants.join(', ')} may ask ${id}, and would fail without it. Uninstall them first, take back what they are approved for, or add force=true (lyceum uninstall --force).`,
          { plugins: dependants },
        )
      catalogue.remove(id, data)
      await plugins.stop(id)
      conduct.forgive(id)
      if (data === 'delete') await this.#delete(id)
      forget(id)
    })
  }

  /** Those that may ask it, by its id or by a common name that it answers to. */
  #dependantsOf(id: string): string[] {
    const { catalogue } = this.#services
    const names = catalogue.names.all().filter(({ plugin }) => plugin === id)
    const needs = new Set([id, ...names.map(({ name }) => name)].map((name) => `plugins.${name}`))
    return catalogue
      .plugins()
      .filter(
        (row) => row.id !== id && row.removed === undefined && row.granted.some((need) => needs.has(need)),
      )
      .map((row) => row.id)
  }

  async #delete(id: string): Promise<void> {
    const { catalogue, plugins, deleteData } = this.#services
    await deleteData(id)
    for (const asker of catalogue.forget(id)) plugins.regrant(asker)
  }
}
