import { html, view } from '@lyceum/sdk'

const GREETINGS = new Map([
  [5, 'Good morning'],
  [12, 'Good afternoon'],
  [18, 'Good evening'],
])

/**
 * A greeting for one person. The handler names `user`, so the page is that person's: a student sees their own,
 * whatever the address says. The host says what time it is; `new Date()` in a plugin tells the same.
 */
export const greet = view(({ user, now }) => {
  const hour = now().getUTCHours()
  const [, words = 'You are up late'] = [...GREETINGS].findLast(([from]) => hour >= from) ?? []
  // Whatever a name holds, html`…` writes it as text.
  return html`<h1>${words}, ${user}!</h1>`
})
