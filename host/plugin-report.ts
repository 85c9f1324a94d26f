import type { Host } from './host.ts'
import type { Quota } from './limits.ts'
import { pendingOf } from './registry/approvals.ts'
import { noUsage } from './registry/plugin.ts'
import { clampedBy } from './registry/quota-rules.ts'
import { rebuildOfferOf } from './registry/rebuild-offer.ts'
import { needsOf } from './registry/version.ts'

const MB = 1024 * 1024

/** What a plugin uses of its quotas just now, each in the unit of the quota; without those that hold per call. */
export type QuotaUse = Partial<Record<keyof Quota, number>>

/** What a list shows of a plugin. */
export function summaryOf({ catalogue, plugins, conduct }: Host, id: string) {
  const row = catalogue.plugin(id)
  const { strikes, onProbation, quarantined } = conduct.of(id)
  return {
    owner: row?.owner,
    state: row === undefined ? ('unknown' as const) : plugins.state(row),
    pausedFor: row?.pausedFor ?? null,
    version: row?.activeVersion ?? null,
    usage: plugins.active().get(id)?.usage ?? null,
    conduct: { strikes, onProbation, quarantined: quarantined ?? null },
  }
}

/** Everything that its owner and admins may know of a plugin. */
export async function detailsOf(host: Host, id: string) {
  const { catalogue, config, lane, cron, log, plugins } = host
  const row = catalogue.plugin(id)
  const deadLetters = plugins.active().has(id)
    ? await plugins
        .storeOf(id)
        .deadLetters(undefined, 0)
        .then(
          ({ total }) => total,
          () => null, // its database is lost, or damaged: what its handlers fail with says more
        )
    : 0
  return {
    id,
    ...summaryOf(host, id),
    recent: host.usage.recent(id).get(id) ?? { day: noUsage(), month: noUsage() },
    quota: row?.quota,
    quotaUse: await quotaUse(host, id),
    ceilings: config.quotas.ceilings,
    clamped: row === undefined ? [] : clampedBy(row.quotaSet, config.quotas),
    granted: row?.granted,
    pending: pendingOf(catalogue, id) ?? null,
    generation: row?.generation,
    rebuild: host.rebuilds.status(id) ?? null,
    rebuildOffered: rebuildOfferOf(catalogue, id) ?? null,
    versions: catalogue.versions(id).map((version) => ({
      version: version.version,
      hash: version.hash,
      publishedMs: version.publishedMs,
      publishedBy: version.publishedBy,
      needs: needsOf(version),
      endpoints: version.endpoints.map(({ name, kind, facilities, dimensions }) => ({
        name,
        kind,
        facilities,
        dimensions,
      })),
    })),
    cursors: lane.status(id).map((status) => ({ ...status, lag: log.head() - status.cursor })),
    cron: cron.next(id),
    running: host.progress.of(id),
    deadLetters,
    guarantee: host.stores.guarantee,
  }
}

/** What a plugin uses of its quotas; of what it keeps on disks nothing where its store does not tell. */
export async function quotaUse(host: Host, id: string): Promise<QuotaUse> {
  const { plugins, catalogue } = host
  const row = catalogue.plugin(id)
  const hasData = row !== undefined && (row.activeVersion !== undefined || row.removed === 'keep')
  const kept = hasData
    ? await plugins
        .storeOf(id)
        .usage()
        .catch(() => undefined)
    : undefined
  return {
    ...quickQuotaUse(host, id),
    ...(kept && { databaseMb: kept.databaseBytes / MB, fileMb: kept.fileBytes / MB }),
  }
}

/** The same without asking stores. */
export function quickQuotaUse({ cpuRates, invoker, caches, lane, log }: Host, id: string): QuotaUse {
  const head = log.head()
  return {
    cpuMsPerMinute: cpuRates.usedMs(id),
    concurrentCalls: invoker.underWay(id),
    cacheMb: caches.bytesOf(id) / MB,
    backlogEvents: Math.max(0, ...lane.status(id).map(({ cursor }) => head - cursor)),
  }
}
