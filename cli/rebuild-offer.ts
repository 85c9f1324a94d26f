import { z } from 'zod'

/** The handlers whose data a rebuild would make anew; nothing where they are as they would be. */
export const RebuildOffer = z.object({ reason: z.string(), endpoints: z.array(z.string()) }).nullish()

/** The offer as one more line; '' where there is none. */
export function offerText(plugin: string, offered: z.infer<typeof RebuildOffer>): string {
  if (!offered) return ''
  return `\nIts data were made by other handlers: ${offered.endpoints.join(', ')}. Make them anew with: npx lyceum rebuild ${plugin}`
}
