import { describe, expect, test } from 'vitest'
import { parsePackage } from '../../../host/registry/package.ts'

describe('package.json of a plugin', () => {
  test("id, version, title and description count; the rest is npm's", () => {
    expect(
      parsePackage({
        name: 'video',
        version: '1.2.3-beta.1',
        title: 'Videos',
        description: 'Plays',
        type: 'module',
      }),
    ).toEqual({ name: 'video', version: '1.2.3-beta.1', title: 'Videos', description: 'Plays' })
  })

  test.each([
    [{ version: '1.0.0' }, '"name": the plugin\'s id is missing: write "name": "myPlugin"'],
    [
      { name: 'my-plugin', version: '1.0.0' },
      '"name": `my-plugin` is not a camelCase name of letters and digits; write it so: `myPlugin`',
    ],
    [{ name: '@me/My_plugin', version: '1.0.0' }, 'write it so: `meMyPlugin`'],
    [{ name: '12', version: '1.0.0' }, '`12` begins with a digit; begin with a letter.'],
    [{ name: 'self', version: '1.0.0' }, '"name": `self` is reserved; choose another name'],
    [{ name: 'lyceum', version: '1.0.0' }, '`lyceum` is reserved'],
    [{ name: '__proto__', version: '1.0.0' }, '`__proto__` is reserved'],
    [{ name: 'a'.repeat(41), version: '1.0.0' }, 'is longer than 40 characters'],
    [{ name: 'a' }, '"version": the version is missing: write "version": "1.0.0"'],
    [{ name: 'a', version: '1.0' }, '"version": not a version of three numbers'],
    [{ name: 'a', version: '1.0.0', title: 5 }, '"title": not a text'],
    [{ name: 'a b', version: 'x' }, '`aB`; "version": not a version'],
    [null, 'not an object'],
  ])('%j is refused', (raw, message) => {
    expect(() => parsePackage(raw)).toThrow(
      expect.objectContaining({ code: 'package_invalid', message: expect.stringContaining(message) }),
    )
  })
})
