import type { RebuildStatus } from '../../host/dispatch/rebuild.ts'
import type { TestHost } from '../support/host.ts'

/** Waits until the rebuild of a plugin has ended, and says how. */
export async function ended(lyceum: TestHost, id: string): Promise<RebuildStatus> {
  for (;;) {
    const { json } = await lyceum.call('GET', `/v1/plugins/${id}/rebuild`)
    if (json?.state !== 'running') return json
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Starts a rebuild and waits until it has ended. */
export async function rebuilt(lyceum: TestHost, id: string): Promise<RebuildStatus> {
  const { status, json } = await lyceum.call('POST', `/v1/plugins/${id}/rebuild`)
  if (status !== 202) throw new Error(JSON.stringify(json))
  return ended(lyceum, id)
}

/** The answer of a query. */
export async function ask(lyceum: TestHost, id: string, query: string) {
  return (await lyceum.call('GET', `/v1/queries/${id}/${query}`)).json
}

/** Events `first` to `first + n - 1`, all of one type. */
export function plays(n: number, first = 0): object[] {
  return Array.from({ length: n }, (_, at) => ({
    id: `p${first + at}`,
    event_type: 'play_video',
    event: { id: `v${(first + at) % 3}` },
    time: '2026-01-01T00:00:00Z',
  }))
}
