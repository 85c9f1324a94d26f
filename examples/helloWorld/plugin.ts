import { html, query, t, view } from '@lyceum/sdk'

/** A page. Its handler names nobody, so everybody who is signed in sees the same. */
export const hello = view(
  () => html`
  <h1>Hello world!</h1>
  <p>This page is an export of <code>plugin.ts</code>; its name is the export’s.</p>`,
)

/** Data: `GET /v1/queries/helloWorld/greeting?name=Ann` answers with JSON. */
export const greeting = query({ params: { name: t.string({ default: 'world' }) } }, ({ params }) => ({
  text: `Hello ${params.name}!`,
}))
