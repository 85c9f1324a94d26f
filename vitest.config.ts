import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // What takes long runs with LYCEUM_SOAK=1, as in .ci/run; see test/support/long.ts for single tests.
    exclude: [
      ...configDefaults.exclude,
      ...(process.env.LYCEUM_SOAK === undefined ? ['test/**/*.long.test.ts'] : []),
    ],
    pool: 'forks',
    // Most tests wait for processes of their own rather than compute.
    maxWorkers: 2,
    // These end what hangs, and promise nothing: a machine that is several times slower, or held up for a while, is no defect.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
  },
})
