/** The handler that both run: how often each page was looked at, as writes for a database. */
export function count(events) {
  const counts = new Map()
  for (const { page } of events) counts.set(page, (counts.get(page) ?? 0) + 1)
  return [...counts].map(([_id, n]) => ({
    updateOne: { filter: { _id }, update: { $inc: { n } }, upsert: true },
  }))
}
