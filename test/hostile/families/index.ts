import type { Family } from '../plugin.ts'
import { documents, others, queries } from './arguments.ts'
import { files } from './files.ts'
import { floods, large } from './floods.ts'
import { loops, loopsInLooking, loopsLater } from './loops.ts'
import { bombs, heap, oneStep, uncounted } from './memory.ts'
import { nativeLoops, rejections } from './native.ts'
import { loads, manifests, maps, samples } from './publishes.ts'
import { markup, prototypes, reach } from './reach.ts'
import { rebuilds } from './rebuilds.ts'
import { charts, tables } from './results.ts'

/** All families, by the test that lets them in, in the order of the table. */
export const FAMILIES = {
  time: [loops, loopsLater, loopsInLooking, rejections, nativeLoops],
  memory: [heap, oneStep, uncounted, bombs],
  floods: [floods, large],
  arguments: [documents, queries, files, others],
  reach: [prototypes, reach, markup, charts, tables],
  publish: [loads, manifests, samples, maps, rebuilds],
} as const satisfies Record<string, readonly Family[]>
