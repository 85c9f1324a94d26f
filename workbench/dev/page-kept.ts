import { html } from 'hono/html'
import { z } from 'zod'
import { LyceumError } from '../../host/errors.ts'
import type { Markup } from '../../host/pages/layout.ts'
import type { PluginStore } from '../../host/storage/plugin-store.ts'
import { amount, count } from '../../host/text.ts'
import type { Dev } from './dev.ts'

/** More are no help in finding one that is misspelt. */
const MOST_SHOWN = 50
const COUNT_MS = 500

const Counted = z.tuple([z.number()])

/** The plugin's collections: a name that is misspelt somewhere is seen here, or is missing. */
export async function keptPart({ workbench: { host, plugin } }: Dev): Promise<Markup> {
  const active = host.plugins.active().get(plugin)
  if (
    active === undefined ||
    ![...active.endpoints.values()].some(({ facilities }) => facilities.includes('db'))
  )
    return html``
  const { collections } = await active.store.survey()
  const shown = collections.slice(0, MOST_SHOWN)
  const counts = await Promise.all(shown.map(({ name }) => documentsIn(active.store, name)))
  return html`<section aria-labelledby="kept"><h2 id="kept">Collections</h2>
${
  shown.length === 0
    ? html`<p class="muted">Nothing is kept yet. A handler that writes to <code>db.collection('…')</code> makes one.</p>`
    : html`<ul class="rows">${shown.map(
        ({ name }, at) => html`<li><code>${name}</code> <span>${counts[at]}</span></li>`,
      )}</ul>`
}
${collections.length > shown.length && html`<p class="muted">And ${count(collections.length - shown.length)} more.</p>`}
</section>`
}

async function documentsIn(store: PluginStore, collection: string): Promise<string> {
  const op = Buffer.from(JSON.stringify({ op: 'estimatedDocumentCount', collection }))
  try {
    const [documents] = Counted.parse(
      JSON.parse((await store.read(op, performance.now() + COUNT_MS)).toString()),
    )
    return amount(documents, 'document')
  } catch (error) {
    if (error instanceof LyceumError) return error.message
    throw error
  }
}
