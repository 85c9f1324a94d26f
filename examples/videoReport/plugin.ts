import { html, view } from '@lyceum/sdk'

interface Plays {
  video: string
  n: number
}

/**
 * What share of all plays the favourite has. The plugin that counts them is named, so an admin sees that this one
 * wants it, and approves; `counting` sees who asks, and answers with what they may know.
 */
export const favourite = view(async ({ plugins: { counting }, course }) => {
  const videos = await counting.top<Plays[]>({ course })
  const [first] = videos
  if (first === undefined) return html`<p>Nobody has played a video yet.</p>`
  const all = videos.reduce((sum, { n }) => sum + n, 0)
  return html`<p><b>${first.video}</b> has ${Math.round((100 * first.n) / all)} % of the plays of the top five.</p>`
})
