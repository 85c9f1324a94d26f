import { describe, type SuiteAPI, type TestAPI, test } from 'vitest'

const isLong = process.env.LYCEUM_SOAK !== undefined

/** A test that takes long, or is much like others: it runs with `LYCEUM_SOAK=1` only, as in `.ci/run`. */
export const longTest: ReturnType<TestAPI['runIf']> = test.runIf(isLong)
/** The same for several. */
export const longTests: ReturnType<SuiteAPI['runIf']> = describe.runIf(isLong)
