import { z } from 'zod'
import { isDeeperThan } from '../events/json.ts'
import { LIMITS } from '../limits.ts'

/** Deeper results are few, and whoever reads one recurses. */
const DEPTH = 32

/** What a query returns, made up or recorded from made-up data: any JSON that is not large. */
export const Sample = z
  .unknown()
  .refine(
    (value) => value !== undefined && value !== null,
    'write what the query returns, such as [{ n: 1 }]',
  )
  .refine((value) => !isDeeperThan(value, DEPTH), `nested more than ${DEPTH} deep`)
  .refine(
    (value) => isDeeperThan(value, DEPTH) || (JSON.stringify(value) ?? '').length <= LIMITS.sampleBytes,
    `larger than ${LIMITS.sampleBytes} bytes as JSON; a few rows are enough`,
  )

/** Samples by the name of their query. A Map, since a plugin chooses the names. */
export const Samples = z
  .record(z.string(), Sample, { error: 'not an object of samples by the names of queries' })
  .transform((samples) => new Map(Object.entries(samples)))
export type Samples = ReadonlyMap<string, unknown>

/** The version of a plugin that stands for another: it answers with samples, and all that is made of them says so. */
export const SAMPLE_VERSION = '0.0.0-sample'

export function isSampleVersion(version: string): boolean {
  return version === SAMPLE_VERSION
}

/** Whether all samples of a version are as small as they have to be together. */
export function areSmall(samples: Samples): boolean {
  return textOf(samples).length <= LIMITS.samplesBytes
}

/** Samples as one JSON text; {@link readSamplesText} reads it. */
export function textOf(samples: Samples): string {
  return JSON.stringify([...samples])
}

/** What {@link textOf} wrote. */
export function readSamplesText(text: string): Samples {
  return new Map(z.array(z.tuple([z.string(), z.unknown()])).parse(JSON.parse(text)))
}
