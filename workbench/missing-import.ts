import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { didYouMean } from '../host/registry/manifest-names.ts'

/**
 * What an author is told of an import that leads nowhere.
 *
 * @param specifier what the import names
 * @param importer the file that imports
 * @param root the plugin's folder
 */
export async function missingImport(specifier: string, importer: string, root: string): Promise<string> {
  if (/^\.\.?(?:\/|$)/.test(specifier)) {
    const folder = path.dirname(specifier)
    const names = await readdir(path.join(path.dirname(importer), folder)).catch(() => [])
    const meant = didYouMean(
      specifier,
      names.map((name) => `${folder}/${name}`),
    )
    return `There is no file "${specifier}".${meant} The path of a file is written from the file that imports it, with its ending`
  }
  const name = specifier.startsWith('@') ? specifier.split('/', 2).join('/') : (specifier.split('/')[0] ?? '')
  const wanted = await dependenciesOf(root)
  if (wanted.includes(name))
    return `"${specifier}" is not there, though package.json names ${name}. Run npm install in the plugin's folder, or look at what the package exports`
  return `There is no package "${name}" here.${didYouMean(name, wanted)} Run npm install ${name} in the plugin's folder; a file of the plugin is written "./${name}${path.extname(importer)}"`
}

async function dependenciesOf(root: string): Promise<string[]> {
  try {
    const about: unknown = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'))
    if (typeof about !== 'object' || about === null) return []
    return ['dependencies', 'devDependencies', 'peerDependencies'].flatMap((field) =>
      Object.keys(Reflect.get(about, field) ?? {}),
    )
  } catch {
    return []
  }
}
