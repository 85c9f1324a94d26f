import { extname, join } from 'node:path'

/** Where all of our code lies: the clone, or the installed package. */
export const ROOT: string = join(import.meta.dirname, '..')

/** What our modules end in: `.ts` in a clone, which Node runs as it is; `.js` in the package. */
export const MODULE_EXTENSION: string = extname(import.meta.filename)

/**
 * The path of a script of ours, for a process or thread that runs it.
 * @param folder `import.meta.dirname` of the module beside it
 * @param name without its extension, which is not the same everywhere
 */
export function scriptIn(folder: string, name: string): string {
  return join(folder, name + MODULE_EXTENSION)
}
