// Draws the charts of a page once more, so that they say their values where somebody points, or steps with the arrow
// keys. It runs in the frame of a view, behind Vega, and knows no more than the frame does; until it is done, and where
// it fails, the pictures that came with the page stay.
/* global vega, expressionInterpreter */
;(() => {
  const GAP_PX = 12
  /** The last label of an axis may stand out so far. */
  const LABEL_PX = 24
  const refuse = () => Promise.reject(new Error('A chart loads nothing.'))
  const silent = {
    level: () => silent,
    error: () => silent,
    warn: () => silent,
    info: () => silent,
    debug: () => silent,
  }

  const tip = document.createElement('div')
  tip.className = 'lyceum-tip'
  tip.setAttribute('aria-live', 'polite')
  tip.hidden = true

  const say = (value, x, y) => {
    const isNothing = value === undefined || value === null || value === ''
    tip.hidden = isNothing
    if (isNothing) return
    const rows = typeof value === 'object' ? Object.entries(value) : [['', value]]
    tip.replaceChildren(
      ...rows.map(([name, text]) => {
        const row = document.createElement('div')
        row.textContent = name ? `${name}: ${text}` : String(text)
        return row
      }),
    )
    const { width, height } = tip.getBoundingClientRect()
    const left = x + GAP_PX + width > innerWidth ? x - GAP_PX - width : x + GAP_PX
    const top = y + GAP_PX + height > innerHeight ? y - GAP_PX - height : y + GAP_PX
    tip.style.left = `${Math.max(0, left)}px`
    tip.style.top = `${Math.max(0, top)}px`
  }

  /** All marks that have something to say, with where they are in the picture. */
  const tellingOf = (item, x = 0, y = 0, found = []) => {
    if (item.tooltip && item.bounds)
      found.push({
        value: item.tooltip,
        x: x + (item.bounds.x1 + item.bounds.x2) / 2,
        y: y + (item.bounds.y1 + item.bounds.y2) / 2,
      })
    const isGroup = item.mark?.marktype === 'group'
    for (const inside of item.items ?? [])
      tellingOf(inside, x + (isGroup ? (item.x ?? 0) : 0), y + (isGroup ? (item.y ?? 0) : 0), found)
    return found
  }

  const stepping = (element, view) => {
    let at = -1
    element.tabIndex = 0
    element.setAttribute('aria-description', 'The arrow keys step through its values.')
    element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') say(null)
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
      if (step === undefined) return
      event.preventDefault()
      const telling = tellingOf(view.scenegraph().root)
      if (telling.length === 0) return
      at = at < 0 && step < 0 ? telling.length - 1 : (at + step + telling.length) % telling.length
      const { value, x, y } = telling[at]
      const [left, top] = view.origin()
      const box = element.querySelector('svg').getBoundingClientRect()
      say(value, box.left + left + x, box.top + top + y)
    })
    element.addEventListener('blur', () => say(null))
  }

  const open = async (element) => {
    const holder = document.createElement('div')
    holder.className = 'lyceum-drawing'
    const picture = element.firstElementChild
    element.append(holder)
    try {
      const spec = JSON.parse(element.getAttribute('data-vega'))
      const view = new vega.View(vega.parse(spec, {}, { ast: true }), {
        renderer: 'svg',
        container: holder,
        hover: true,
        expr: expressionInterpreter,
        loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
        logger: silent,
        tooltip: (_, event, __, value) => say(value, event.clientX, event.clientY),
      })
      await view.runAsync()
      // The element around says what it shows; what is inside it is only there to be looked at.
      holder.firstElementChild?.removeAttribute('role')
      picture?.remove()
      holder.className = ''
      // What has parts has a width of its own; it is the chart that scrolls then, and not all of the view.
      if (holder.scrollWidth > element.clientWidth + LABEL_PX) element.style.overflowX = 'auto'
      stepping(element, view)
      dispatchEvent(new Event('lyceum-drawn'))
    } catch {
      holder.remove()
    }
  }

  document.body.append(tip)
  addEventListener('scroll', () => say(null), { passive: true })
  // One that is out of sight, such as in a part that is not open, has no width yet.
  const sized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      if (contentRect.width === 0) continue
      sized.unobserve(target)
      void open(target)
    }
  })
  for (const element of document.querySelectorAll('lyceum-chart[data-vega]')) sized.observe(element)
})()
