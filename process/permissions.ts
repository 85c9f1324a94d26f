import { join } from 'node:path'
import { ROOT } from './own-files.ts'
import { PACKAGES } from './packages.js'

/** Our code and what it is made of. Not the whole root: the data folder may lie in it. */
const CODE = [
  ...['process/*', 'sandbox/*', 'sdk/*', 'host/*', 'package.json'].map((path) => join(ROOT, path)),
  join(PACKAGES, '*'),
]

/**
 * Node's flags for a child that may read our code and nothing else: no other file, no network, no child
 * processes, no inspector. The pipe that it inherits stays usable.
 */
export const CODE_ONLY: readonly string[] = [
  '--permission',
  ...CODE.map((path) => `--allow-fs-read=${path}`),
  '--disable-warning=SecurityWarning',
  '--disable-warning=ExperimentalWarning',
]
