import type { Context } from 'hono'

/** Browsers say where a form of ours was sent from only where its page lets them: whatever changes something needs that. */
export function ownPage(c: Context): void {
  c.header('Referrer-Policy', 'same-origin')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  c.header('Cross-Origin-Resource-Policy', 'same-origin')
}
