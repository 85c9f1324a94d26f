import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { LyceumError } from '../host/errors.ts'

/** The text of a file; undefined where there is none. @throws {LyceumError} file_unreadable where it is there */
export function textIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(({ code }: NodeJS.ErrnoException) => {
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new LyceumError(
      'file_unreadable',
      `${basename(file)} is there, but cannot be read (${code}). Check its permissions, or delete it.`,
    )
  })
}
