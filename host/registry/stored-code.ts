import type { PluginCode } from '../../sandbox/supervisor.ts'
import { LIMITS } from '../limits.ts'
import type { Catalogue, VersionRow } from './catalogue.ts'

/**
 * The code of a version, read when an isolate is to load it: of plugins that have nothing to do none is in
 * memory.
 */
export class StoredCode implements PluginCode {
  readonly plugin: string
  readonly hash: string
  readonly load: PluginCode['load']
  readonly #catalogue: Catalogue
  readonly #version: string

  constructor(catalogue: Catalogue, { plugin, version, hash }: VersionRow, memoryMb: number) {
    this.#catalogue = catalogue
    this.#version = version
    this.plugin = plugin
    this.hash = `${plugin}:${hash}:${memoryMb}`
    this.load = { memoryMb, cpuMs: LIMITS.scratchLoadMs, wallMs: LIMITS.scratchLoadMs * 2 }
  }

  get bundle(): PluginCode['bundle'] {
    return this.#catalogue.code(this.plugin, this.#version).bundle
  }
}
