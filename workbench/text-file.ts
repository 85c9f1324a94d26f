import { lstat, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
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

/**
 * Writes a file of a plugin's folder, and makes the folder that it is in.
 * @param file from there: `snapshots/top.json`
 * @throws {LyceumError} file_unreadable as {@link refuseLinks}
 */
export async function writeOwn(dir: string, file: string, text: string): Promise<void> {
  await refuseLinks(dir, file)
  await mkdir(dirname(join(dir, file)), { recursive: true })
  await writeFile(join(dir, file), text)
}

/**
 * A folder from elsewhere could have a file of whoever works in it shown, written over or deleted.
 * @throws {LyceumError} file_unreadable where a file of a plugin's folder, or a folder on the way there, is a link
 */
export async function refuseLinks(dir: string, file: string): Promise<void> {
  const names = file.split(sep)
  for (const at of names.keys()) {
    const part = join(...names.slice(0, at + 1))
    const found = await lstat(join(dir, part)).catch(() => undefined)
    if (found?.isSymbolicLink())
      throw new LyceumError(
        'file_unreadable',
        `${part} is a link to something else, which is left alone. Delete the link.`,
      )
  }
}
