import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadKeys } from '../../../host/auth/keys.ts'
import { issueToken, verifyToken } from '../../../host/auth/tokens.ts'
import { tempDir } from './support.ts'

const secret = (byte: number) => Buffer.alloc(32, byte).toString('base64url')

async function withKeys(...keys: { id: string; secret: string }[]) {
  const dir = await tempDir()
  await writeFile(join(dir, 'keys.json'), JSON.stringify({ keys }))
  return dir
}

describe('the file of signing keys', () => {
  test('is made once, readable by its owner only, in a folder that is too, and nothing else is left', async () => {
    const dataDir = join(await tempDir(), 'new', 'folder')
    const first = await loadKeys(dataDir)
    const second = await loadKeys(dataDir)
    expect([first.created, second.created]).toEqual([true, false])
    expect(second.signing.id).toBe(first.signing.id)
    expect((await stat(join(dataDir, 'keys.json'))).mode & 0o777).toBe(0o600)
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700)
    expect(await readdir(dataDir)).toEqual(['keys.json'])
  })

  test('is one and the same for all who start at once', async () => {
    const dataDir = join(await tempDir(), 'data')
    const all = await Promise.all(Array.from({ length: 20 }, () => loadKeys(dataDir)))
    expect(new Set(all.map((keys) => keys.signing.id)).size).toBe(1)
    expect(all.filter((keys) => keys.created)).toHaveLength(1)
    expect(await readdir(dataDir)).toEqual(['keys.json'])
  })

  test('differs from folder to folder', async () => {
    const [one, other] = [await loadKeys(await tempDir()), await loadKeys(await tempDir())]
    expect(one.signing.key.equals(other.signing.key)).toBe(false)
  })

  test('rotates: the first key signs, the others still verify, and a removed one does not', async () => {
    const old = await loadKeys(await withKeys({ id: 'old', secret: secret(1) }))
    const token = await issueToken(old, { role: 'admin' }, 60)
    const both = await loadKeys(
      await withKeys({ id: 'new', secret: secret(2) }, { id: 'old', secret: secret(1) }),
    )
    expect(both.signing.id).toBe('new')
    await expect(verifyToken(both, token)).resolves.toMatchObject({ role: 'admin' })
    const fresh = await loadKeys(await withKeys({ id: 'new', secret: secret(2) }))
    await expect(verifyToken(fresh, await issueToken(both, { role: 'admin' }, 60))).resolves.toBeDefined()
    await expect(verifyToken(fresh, token)).rejects.toMatchObject({ code: 'token_invalid' })
  })

  test.each([
    ['not JSON', '{"keys": ['],
    ['no keys', '{"keys": []}'],
    ['a short secret', JSON.stringify({ keys: [{ id: 'a', secret: 'c2hvcnQ' }] })],
    ['two keys of one id', JSON.stringify({ keys: [1, 2].map((n) => ({ id: 'a', secret: secret(n) })) })],
  ])('is refused with %s, without showing path or content', async (_, content) => {
    const dir = await tempDir()
    await writeFile(join(dir, 'keys.json'), content)
    const error = await loadKeys(dir).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining('keys.json') })
    expect(String(error)).not.toContain(dir)
    expect(String(error)).not.toContain(secret(1))
    expect(await readFile(join(dir, 'keys.json'), 'utf8')).toBe(content)
  })

  test('says so where the data folder is a file', async () => {
    const path = join(await tempDir(), 'file')
    await writeFile(path, '')
    await expect(loadKeys(path)).rejects.toMatchObject({ code: 'config_invalid' })
  })

  test.skipIf(process.getuid?.() === 0)('says so where the data folder may not be written', async () => {
    const dir = join(await tempDir(), 'locked')
    await mkdir(dir)
    await chmod(dir, 0o500)
    await expect(loadKeys(dir)).rejects.toMatchObject({ code: 'config_invalid' })
  })

  test('never shows a secret when keys are printed or serialised', async () => {
    const keys = await loadKeys(await withKeys({ id: 'a', secret: secret(7) }))
    const shown = inspect(keys, { depth: 10, showHidden: true }) + JSON.stringify(keys)
    for (const form of ['base64url', 'base64', 'hex'] as const)
      expect(shown).not.toContain(Buffer.alloc(32, 7).toString(form).slice(0, 20))
  })
})
