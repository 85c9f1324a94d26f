import type { Figure } from '../harness.ts'
import { backlog } from './backlog.ts'
import { besideHostile } from './beside-hostile.ts'
import { betweenPlugins } from './between-plugins.ts'
import { devReload } from './dev-reload.ts'
import { idleMemory, idleThroughput } from './idle-plugins.ts'
import { ingest } from './ingest.ts'
import { keptAnswer } from './kept-answer.ts'
import { naturalLoop } from './natural-loop.ts'
import { pipeline } from './pipeline.ts'
import { pipelineOverAppend } from './pipeline-over-append.ts'
import { property } from './property.ts'
import { realtimeMedian, realtimeP99 } from './realtime.ts'
import { start } from './start.ts'
import { awaitedWrite, fewKeys, manyKeys } from './upserts.ts'
import { chart, view } from './view.ts'
import { peer } from './workerd.ts'

/** All figures, in the order in which they are shown. */
export const figures: readonly Figure[] = [
  pipeline,
  pipelineOverAppend,
  naturalLoop,
  fewKeys,
  manyKeys,
  awaitedWrite,
  property,
  ingest,
  peer,
  view,
  chart,
  keptAnswer,
  betweenPlugins,
  realtimeMedian,
  realtimeP99,
  besideHostile,
  idleThroughput,
  idleMemory,
  backlog,
  start,
  devReload,
]
