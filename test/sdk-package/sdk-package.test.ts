import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SdkPackage } from '../../host/sdk-package/sdk-package.ts'

const SILENT = pino({ level: 'silent' })

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lyceum-sdk-'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('a package that cannot be made', () => {
  test('is refused without a word about this machine, to all who ask meanwhile, and not tried each time', async () => {
    const file = join(folder, 'taken')
    await writeFile(file, '')
    const errors: unknown[] = []
    const logger = pino({ level: 'error' }, { write: (line) => void errors.push(JSON.parse(line)) })
    const sdk = new SdkPackage(file, logger)
    const answers = await Promise.allSettled([sdk.get(), sdk.get()])
    await expect(sdk.get()).rejects.toMatchObject({ code: 'sdk_unbuilt', status: 503 })
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'sdk_unbuilt' } })
      if (answer.status === 'rejected') expect(answer.reason.message).not.toContain(folder)
    }
    expect(errors).toHaveLength(1)
    expect(errors).toMatchObject([{ msg: 'the package of the SDK cannot be made' }])
  })

  test('because the host stops, is told so, and its process ends', async () => {
    const sdk = new SdkPackage(join(folder, 'stopped'), SILENT)
    const asked = sdk.get()
    sdk.close()
    await expect(asked).rejects.toMatchObject({ code: 'shutting_down' })
    expect(await readdir(folder)).not.toContain('stopped')
  })
})
