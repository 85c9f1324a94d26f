import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LyceumError } from '../host/errors.ts'
import { parsePackage } from '../host/registry/package.ts'
import packageJson from '../package.json' with { type: 'json' }
import { ownSchema } from './own-schema.ts'
import { writeTypes } from './types-file.ts'

/** What a new plugin may begin as, with what that is. */
export const TEMPLATES = {
  'event-counter': 'counts events of one type, and shows the counts of a course as a table',
  'instructor-chart': 'a chart of how hard the problems of a course are, for those who teach it',
  'data-layer': 'gives what an LMS sends common names, for other plugins to use',
} as const
/** The name of one of {@link TEMPLATES}. */
export type Template = keyof typeof TEMPLATES

/** What to make. */
export interface InitOptions {
  /** Absolute path of the folder, which is not there or empty; its name is the plugin's id. */
  readonly dir: string
  readonly template: Template
  /** Address of the host that serves the SDK, without a slash at its end. */
  readonly hostUrl: string
}

const FOLDER = join(import.meta.dirname, 'templates')
/** For every template. npm takes away, or acts on, files with these names in a package, so that they stand there without the dot. */
const WITH_A_DOT = ['gitignore', 'npmrc'] as const

/**
 * Makes a plugin's folder that works: code, its test, types, and how to go on.
 * @throws {LyceumError} package_invalid where the folder's name cannot be a plugin's id; folder_taken
 */
export async function init({ dir, template, hostUrl }: InitOptions): Promise<void> {
  const id = basename(dir)
  parsePackage({ name: id, version: FIRST_VERSION })
  await refuseTaken(dir)
  await mkdir(dir, { recursive: true })
  const [common, own] = [join(FOLDER, 'common'), join(FOLDER, template)]
  for (const name of WITH_A_DOT) await cp(join(common, name), join(dir, `.${name}`))
  await cp(join(common, 'tsconfig.json'), join(dir, 'tsconfig.json'))
  await cp(own, dir, { recursive: true })
  const readme = await readFile(join(common, 'README.md'), 'utf8')
  await writeFile(join(dir, 'README.md'), readme.replaceAll('PLUGIN', id).replaceAll('HOST', hostUrl))
  await writeFile(join(dir, 'package.json'), `${JSON.stringify(packageOf(id, template, hostUrl), null, 2)}\n`)
  // For the editor. A very busy machine may not get to them in time; dev, test and check write them, too.
  await ownSchema(dir).then(
    (schema) => writeTypes(dir, schema),
    (error: unknown) => {
      if (!(error instanceof LyceumError)) throw error
    },
  )
}

const FIRST_VERSION = '1.0.0'

function packageOf(id: string, template: Template, hostUrl: string): object {
  return {
    name: id,
    version: FIRST_VERSION,
    description: `${TEMPLATES[template]}.`.replace(/^./, (first) => first.toUpperCase()),
    private: true,
    type: 'module',
    scripts: {
      dev: 'lyceum dev',
      test: 'lyceum test',
      check: 'lyceum types --offline && tsc -p .',
      publish: `lyceum publish . --url ${hostUrl}`,
    },
    dependencies: { '@lyceum/sdk': `${hostUrl}/sdk.tgz` },
    allowScripts: packageJson.allowScripts,
  }
}

async function refuseTaken(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => error.code)
  if (names !== 'ENOENT' && names?.length !== 0)
    throw new LyceumError(
      'folder_taken',
      `${basename(dir)} is there already, and not empty. Choose another name, or take away what is in it.`,
    )
}
