import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ConfigFlags, isLoopback, loadConfig } from '../../host/config.ts'
import { QUOTA_CEILINGS, QUOTA_DEFAULTS, quotaSchema } from '../../host/limits.ts'

describe('the configuration', () => {
  test('has a default for everything', () => {
    expect(loadConfig({}, {})).toEqual({
      port: 4000,
      bind: '127.0.0.1',
      dataDir: resolve('.lyceum'),
      samples: true,
      plugins: true,
      logLevel: 'info',
    })
  })

  test('comes from variables, and flags win over them', () => {
    const env = { LYCEUM_PORT: '5000', LYCEUM_DATA: '/var/a', LYCEUM_LOG_LEVEL: 'debug' }
    expect(loadConfig(env, {})).toMatchObject({ port: 5000, dataDir: '/var/a', logLevel: 'debug' })
    const flags = { port: '0', data: '/var/b', logLevel: 'warn', samples: false, plugins: false, bind: '::1' }
    expect(loadConfig(env, flags)).toEqual({
      port: 0,
      bind: '::1',
      dataDir: '/var/b',
      samples: false,
      plugins: false,
      logLevel: 'warn',
    })
  })

  test('takes an empty variable as unset, but an empty flag as a mistake', () => {
    expect(loadConfig({ LYCEUM_PORT: '', LYCEUM_DATA: '' }, {})).toEqual(loadConfig({}, {}))
    expect(() => loadConfig({}, { data: '' })).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  })

  test.each<[Record<string, string>, ConfigFlags, string]>([
    [{ LYCEUM_PORT: '65536' }, {}, 'LYCEUM_PORT is "65536", but must be a whole number from 0 to 65535'],
    [{ LYCEUM_PORT: '80' }, { port: 'http' }, '--port is "http"'],
    [{}, { port: '-1' }, '--port is "-1"'],
    [{}, { port: '0x10' }, '--port is "0x10"'],
    [{}, { port: '4.5' }, '--port is "4.5"'],
    [{}, { bind: 'example.org' }, '--bind is "example.org", but must be an IP address'],
    [{ LYCEUM_DATA: 'a\0b' }, {}, 'LYCEUM_DATA is "a\\u0000b", but must be the path of a folder'],
    [{ LYCEUM_LOG_LEVEL: 'loud' }, {}, 'LYCEUM_LOG_LEVEL is "loud", but must be one of fatal, error, warn'],
  ])('refuses %j with %j, naming source, value and what is expected', (env, flags, message) => {
    expect(() => loadConfig(env, flags)).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(message) }),
    )
  })

  test('cannot be changed afterwards', () => {
    expect(() => Object.assign(loadConfig({}, {}), { port: 1 })).toThrow(TypeError)
  })

  test('knows the addresses that only this machine reaches', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1'].map(isLoopback)).toEqual([true, true, true])
    expect(['0.0.0.0', '::', '10.0.0.1', '127.evil.example'].map(isLoopback)).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
})

describe('a quota', () => {
  test('may be changed in part, up to its ceiling and not one over', () => {
    expect(quotaSchema.parse({ memoryMb: 128 })).toEqual({ memoryMb: 128 })
    expect(quotaSchema.parse(QUOTA_DEFAULTS)).toEqual(QUOTA_DEFAULTS)
    for (const [name, ceiling] of Object.entries(QUOTA_CEILINGS)) {
      expect(quotaSchema.safeParse({ [name]: ceiling }).success).toBe(true)
      for (const wrong of [ceiling + 1, 0, -1, 8.5, '9', null])
        expect(quotaSchema.safeParse({ [name]: wrong }).success).toBe(false)
    }
  })

  test('refuses a name that it does not know', () => {
    expect(quotaSchema.safeParse({ memoryMB: 64 }).success).toBe(false)
  })
})
