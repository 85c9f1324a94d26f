import { access, constants, mkdir, stat, writeFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { refuseLinks } from '../workbench/text-file.ts'
import { UsageError } from './exit-codes.ts'

/** The folder of all results, unless told. */
export const RESULTS = 'results'

interface Out {
  readonly query?: string
  /** A file with a query, else a folder. */
  readonly out?: string
}

/**
 * Before hours of events go through, it is known whether the results have a place.
 * @throws UsageError, LyceumError file_unreadable
 */
export async function checkOut({ query, out: named }: Out): Promise<void> {
  const out = named ?? (query === undefined ? RESULTS : undefined)
  if (out === undefined) return
  // A folder that nobody named may be one of a plugin from elsewhere.
  if (named === undefined) await refuseLinks('.', out)
  try {
    if (query === undefined) await mkdir(out, { recursive: true })
    const there = await stat(out).catch(() => undefined)
    if (query !== undefined && there?.isDirectory())
      throw new UsageError(`--out ${out} is a folder. With --query it names a file, such as ${query}.csv.`)
    await access(there === undefined ? dirname(out) : out, constants.W_OK)
  } catch (error) {
    throw unwritable(out, error)
  }
}

/** Writes a file that nobody named into the folder of all results. @throws UsageError, LyceumError file_unreadable */
export async function writeBeside(file: string, result: Buffer): Promise<void> {
  await refuseLinks(dirname(file), basename(file))
  await write(file, result)
}

/** @throws UsageError */
export async function write(file: string, result: Buffer): Promise<void> {
  await writeFile(file, result).catch((error: unknown) => {
    throw unwritable(file, error)
  })
}

function unwritable(path: string, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error) || error instanceof UsageError) return error
  const why =
    error.code === 'ENOENT'
      ? 'There is no such folder; make it first.'
      : error.code === 'EEXIST' || error.code === 'ENOTDIR'
        ? 'There is a file of that name, where a folder has to be.'
        : `Writing it failed (${error.code}).`
  return new UsageError(`${path} cannot be written. ${why}`)
}
