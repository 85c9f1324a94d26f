import { z } from 'zod'
import { QUOTA_CEILINGS, QUOTA_DEFAULTS, QUOTA_NAMES, type Quota } from '../limits.ts'

/** What plugins get, and what an admin may raise it to, as the host is configured. */
export interface QuotaRules {
  readonly defaults: Readonly<Quota>
  readonly ceilings: Readonly<Quota>
}

export const DEFAULT_QUOTA_RULES: QuotaRules = { defaults: QUOTA_DEFAULTS, ceilings: QUOTA_CEILINGS }

/** Some limits of a plugin, as they are kept: whether they are below the ceilings is seen when they are used. */
export const StoredQuota = z.partialRecord(z.enum(QUOTA_NAMES), z.int().min(1))
export type StoredQuota = z.infer<typeof StoredQuota>

/** What holds for a plugin: what was set for it, else the default, and never more than the ceiling. */
export function effectiveQuota(set: StoredQuota, { defaults, ceilings }: QuotaRules): Quota {
  const quota = { ...defaults, ...set }
  for (const name of QUOTA_NAMES) quota[name] = Math.min(quota[name], ceilings[name])
  return quota
}

/** The limits that were set above a ceiling, which was lowered since. */
export function clampedBy(set: StoredQuota, { ceilings }: QuotaRules): (keyof Quota)[] {
  return QUOTA_NAMES.filter((name) => (set[name] ?? 0) > ceilings[name])
}
