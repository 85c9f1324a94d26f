// Plain JavaScript: it is loaded before what Node has compiled of our TypeScript can be.
import { join, sep } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const INSIDE = `${sep}node_modules${sep}`
const at = ROOT.indexOf(INSIDE)

export const PACKAGES = at < 0 ? join(ROOT, 'node_modules') : ROOT.slice(0, at + INSIDE.length - 1)
