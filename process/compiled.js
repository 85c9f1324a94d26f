// Loaded before the script of a child: half of the time of its start goes into compiling what has not changed since
// the last one. Plain JavaScript, or Node would have to compile this first. A child that is held by permissions only
// reads what was kept: it could else change what the next one runs.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { PACKAGES } from './packages.js'

const directory = join(PACKAGES, '.cache/lyceum-children')
enableCompileCache({ directory, readOnly: process.permission !== undefined })
