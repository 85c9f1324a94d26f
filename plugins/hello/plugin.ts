import { html, view } from '@lyceum/sdk'

/** Greets the world. */
export const hello = view(() => html`<h1>Hello world!</h1>`)

/** Greets the person that it is shown to. */
export const greet = view(({ user }) => html`<h1>Hello ${user}</h1>`)
