import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ConfigFlags, isLoopback, loadConfig } from '../../host/config.ts'
import { QUOTA_CEILINGS, QUOTA_DEFAULTS, quotaSchema } from '../../host/limits.ts'
import { clampedBy, effectiveQuota } from '../../host/registry/quota-rules.ts'

describe('the configuration', () => {
  test('has a default for everything', () => {
    expect(loadConfig({}, {})).toMatchObject({
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
    expect(loadConfig(env, flags)).toMatchObject({
      port: 0,
      bind: '::1',
      dataDir: '/var/b',
      samples: false,
      plugins: false,
      logLevel: 'warn',
    })
  })

  test('takes the address of a MongoDB server from a variable, and shows none that is wrong', () => {
    const uri = 'mongodb://user:secret@a.example,b.example:27017/lyceum?replicaSet=rs0'
    expect(loadConfig({ LYCEUM_MONGODB_URI: uri }, {}).mongoUri).toBe(uri)
    expect(loadConfig({ LYCEUM_MONGODB_URI: '' }, {}).mongoUri).toBeUndefined()
    for (const wrong of ['postgres://u:hidden@a', 'mongodb://', 'u:hidden@a.example', 'mongodb://a hidden'])
      expect(() => loadConfig({ LYCEUM_MONGODB_URI: wrong }, {})).toThrow(
        expect.objectContaining({ code: 'config_invalid', message: expect.not.stringContaining('hidden') }),
      )
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

describe('the rules of quotas', () => {
  const rules = (env: Record<string, string>, flags: ConfigFlags = {}) => loadConfig(env, flags).quotas

  test('are the built-in ones where nobody says anything', () => {
    expect(rules({})).toEqual({ defaults: QUOTA_DEFAULTS, ceilings: QUOTA_CEILINGS })
  })

  test('take defaults and ceilings from the configuration, each in part', () => {
    const { defaults, ceilings } = rules({
      LYCEUM_QUOTAS: '{"wallMs":5000}',
      LYCEUM_CEILINGS: '{"databaseMb":500000}',
    })
    expect(defaults).toEqual({ ...QUOTA_DEFAULTS, wallMs: 5_000 })
    expect(ceilings).toEqual({ ...QUOTA_CEILINGS, databaseMb: 500_000 })
  })

  test('lower a default to a ceiling below it', () => {
    expect(rules({ LYCEUM_CEILINGS: '{"databaseMb":100}' }).defaults.databaseMb).toBe(100)
  })

  test.each<[Record<string, string>, ConfigFlags, string]>([
    [{ LYCEUM_CEILINGS: 'much' }, {}, 'LYCEUM_CEILINGS is "much", but must be JSON'],
    [
      { LYCEUM_CEILINGS: '{"memory":1}' },
      {},
      'LYCEUM_CEILINGS: its JSON: There is no limit "memory". There are: memoryMb, ',
    ],
    // What a process can bear does not change with the configuration.
    [{ LYCEUM_CEILINGS: '{"memoryMb":513}' }, {}, 'LYCEUM_CEILINGS: memoryMb: Too big'],
    [{}, { quotas: '{"wallMs":0}' }, '--quotas: wallMs: Too small'],
    [{ LYCEUM_CEILINGS: '{"wallMs":100}' }, { quotas: '{"wallMs":101}' }, '--quotas: wallMs: Too big'],
  ])('of %j and %j are refused, which says what is wrong', (env, flags, message) => {
    expect(() => rules(env, flags)).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(message) }),
    )
  })

  test('clamp what was set above a ceiling that was lowered since, and say which', () => {
    const { quotas } = loadConfig({ LYCEUM_CEILINGS: '{"wallMs":1000}' }, {})
    const set = { wallMs: 5_000, memoryMb: 128 }
    expect(effectiveQuota(set, quotas)).toEqual({ ...QUOTA_DEFAULTS, wallMs: 1_000, memoryMb: 128 })
    expect(clampedBy(set, quotas)).toEqual(['wallMs'])
  })
})

describe('a quota', () => {
  test('may be changed in part, up to its ceiling and not one over', () => {
    expect(quotaSchema(QUOTA_CEILINGS).parse({ memoryMb: 128 })).toEqual({ memoryMb: 128 })
    expect(quotaSchema(QUOTA_CEILINGS).parse(QUOTA_DEFAULTS)).toEqual(QUOTA_DEFAULTS)
    for (const [name, ceiling] of Object.entries(QUOTA_CEILINGS)) {
      expect(quotaSchema(QUOTA_CEILINGS).safeParse({ [name]: ceiling }).success).toBe(true)
      for (const wrong of [ceiling + 1, 0, -1, 8.5, '9', null])
        expect(quotaSchema(QUOTA_CEILINGS).safeParse({ [name]: wrong }).success).toBe(false)
    }
  })

  test('refuses a name that it does not know', () => {
    expect(quotaSchema(QUOTA_CEILINGS).safeParse({ memoryMB: 64 }).success).toBe(false)
  })
})
