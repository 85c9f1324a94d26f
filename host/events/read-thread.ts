import { workerData } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { accept } from './accept.ts'
import type { AppendTask, ReadThreadData } from './log-protocol.ts'
import { outcome } from './outcome.ts'
import { memoryOf } from './rows.ts'

const { limits }: ReadThreadData = workerData

/** Reads a body; its rows move to whoever asked. */
export async function read({ body, about }: AppendTask): Promise<unknown> {
  const answer = await outcome(() => accept(body, about, limits))
  if (!answer.ok) return answer
  return move({ [transferableSymbol]: memoryOf(answer.value.rows), [valueSymbol]: answer })
}
