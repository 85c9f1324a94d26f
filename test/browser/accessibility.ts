import type { Frame, Page } from 'playwright-core'

/** What keeps people from using a page or a frame, in sentences; an empty list is good. Runs in it. */
export function barriersOf(page: Page | Frame): Promise<string[]> {
  return page.evaluate(() => {
    const barriers: string[] = []
    const all = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)]

    if (document.documentElement.lang === '') barriers.push('the page has no language')
    if (all('main').length !== 1) barriers.push('there is not one main')
    if (all('h1').length !== 1) barriers.push('there is not one h1')
    let level = 0
    for (const heading of all('h1, h2, h3, h4, h5, h6')) {
      const next = Number(heading.tagName[1])
      if (next > level + 1) barriers.push(`"${heading.innerText}" skips a level`)
      level = next
    }
    const ids = all('[id]').map(({ id }) => id)
    for (const id of new Set(ids))
      if (ids.indexOf(id) !== ids.lastIndexOf(id)) barriers.push(`two elements are #${id}`)
    for (const field of all('input:not([type=hidden]), select')) {
      const labels = 'labels' in field ? (field as HTMLInputElement).labels : null
      if (!labels?.[0]?.innerText.trim()) barriers.push(`the field ${field.id} has no label`)
    }
    for (const target of all('a, button')) {
      if (!target.innerText.trim()) barriers.push(`a ${target.tagName} has no name`)
      const { height } = target.getBoundingClientRect()
      if (target.tagName === 'BUTTON' && height < 24)
        barriers.push(`"${target.innerText}" is ${height}px high`)
    }
    for (const frame of all('iframe')) if (!frame.title) barriers.push('a frame has no title')
    for (const element of all('[style]')) if (element.tagName !== 'IFRAME') barriers.push('an inline style')

    // Contrast (WCAG 2, 1.4.3), of every text against the nearest background behind it.
    const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number)
    const luminance = (color: string) => {
      const [red = 0, green = 0, blue = 0] = channels(color).map((channel) => {
        const part = channel / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
    const backgroundOf = (element: Element | null): string => {
      if (element === null) return 'rgb(255, 255, 255)'
      const { backgroundColor } = getComputedStyle(element)
      return channels(backgroundColor)[3] === 0 ? backgroundOf(element.parentElement) : backgroundColor
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement
      if (
        !element?.innerText?.trim() ||
        !element.checkVisibility() ||
        element.closest('noscript, option, datalist')
      )
        continue
      const pair = [luminance(getComputedStyle(element).color), luminance(backgroundOf(element))]
      const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)
      if (ratio < 4.5)
        barriers.push(`"${element.innerText.slice(0, 30)}" has a contrast of ${ratio.toFixed(2)}`)
    }
    return barriers
  })
}
