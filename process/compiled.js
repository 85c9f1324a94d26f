// Loaded before the script of a child: half of the time of its start goes into compiling what has not changed since
// the last one. Plain JavaScript, or Node would have to compile this first. A child that is held by permissions only
// reads what was kept: it could else change what the next one runs.
import { enableCompileCache } from 'node:module'

const directory = new URL('../node_modules/.cache/lyceum-children', import.meta.url).pathname
enableCompileCache({ directory, readOnly: process.permission !== undefined })
