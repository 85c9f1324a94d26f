/** The smallest PNG there is. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** A plugin that does with files what events and questions say. */
export const FILES = `
  import { cron, html, onEvent, query, t, view } from '@lyceum/sdk'

  /** One event, one step; a batch of them is one transaction. */
  export const perform = onEvent('file', async ({ events, db, fs }) => {
    for (const { event } of events) {
      const { op, path, text, times = 1, base64, options } = event
      const data = base64 === undefined ? text?.repeat(times) : Uint8Array.fromBase64(base64)
      if (op === 'write') await fs.write(path, data, options)
      if (op === 'append') await fs.append(path, data)
      if (op === 'delete') await fs.delete(path)
      if (op === 'expire') await fs.expire(path, event.seconds)
      await db.collection('steps').insertOne({ op, path })
    }
  })
  export const steps = query(({ db }) => db.collection('steps').countDocuments())
  export const read = query({ params: { path: t.string() } }, ({ fs, params }) => fs.readText(params.path))
  export const stat = query({ params: { path: t.string() } }, ({ fs, params }) => fs.stat(params.path))
  export const list = query({ params: { prefix: t.string({ default: '' }) } }, async ({ fs, params }) =>
    (await fs.list(params.prefix)).map((file) => file.path))
  export const url = query({ params: { path: t.string(), seconds: t.number({ default: 60 }) } }, ({ fs, params }) =>
    fs.url(params.path, { seconds: params.seconds }))
  export const draw = query({ params: { path: t.string(), text: t.string() } }, async ({ fs, params }) => {
    await fs.write(params.path, params.text, { expire: 60 })
    return fs.readText(params.path)
  })
  export const page = view({ params: { path: t.string() } }, async ({ fs, params }) => {
    const address = await fs.url(params.path)
    return html\`<img id="image" src="\${address}"><a id="link" href="\${address}">Download</a>\`
  })`
