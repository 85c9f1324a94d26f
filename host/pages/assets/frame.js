// Tells the page around how high the view is, and gives views of other plugins inside of it a document of their own.
// The page around believes it nothing but a height, and what a person clicked on to download; and so does this of
// what is inside.
;(() => {
  // For browsers that do not know Connection-Allowlist yet.
  delete window.RTCPeerConnection
  delete window.webkitRTCPeerConnection

  const LEAST_PX = 20
  const MOST_PX = 20_000
  const MESSAGES_PER_SECOND = 200
  /** A little less than the page around gives its frame on paper, and about what is left of it for a view inside. */
  const PAPER_PX = 600
  const NESTED = 'iframe[data-lyceum-view]'
  // As it is before anything of a plugin ran: views inside begin with the same.
  const head = document.currentScript.parentElement.innerHTML

  const root = document.documentElement
  const forPaper = document.currentScript.previousElementSibling
  const heightPx = () => Math.ceil(root.getBoundingClientRect().height)
  /** Nobody could be asked when it is printed: that waits for no answer. */
  const paperHeightPx = () => {
    const { width } = root.style
    forPaper.media = 'all'
    root.style.width = `${PAPER_PX}px`
    for (const around of document.querySelectorAll('.lyceum-scroll')) {
      around.style.setProperty('--fit', 1)
      around.style.setProperty('--fit', Math.min(1, around.clientWidth / around.scrollWidth))
    }
    const px = heightPx()
    root.style.width = width
    forPaper.media = 'print'
    return px
  }

  let told = 0
  const tell = () => {
    told = heightPx()
    parent.postMessage({ lyceumHeight: told, lyceumPaperHeight: paperHeightPx() }, '*')
  }
  const tellChanges = () => {
    if (heightPx() !== told) tell()
  }
  let willTell = false
  /** Once for all that happens before the next picture: views inside must not make this one a flood. */
  const tellSoon = () => {
    if (willTell) return
    willTell = true
    requestAnimationFrame(() => {
      willTell = false
      tell()
    })
  }

  const nested = []
  const within = (px) => `${Math.min(Math.max(Math.ceil(px), LEAST_PX), MOST_PX)}px`
  const open = (frame) => {
    const inside = frame.getAttribute('data-lyceum-view')
    frame.removeAttribute('data-lyceum-view')
    frame.className = 'lyceum-view'
    frame.sandbox = 'allow-scripts'
    frame.srcdoc = `<!doctype html><html lang="en"><head>${head}</head><body class="nested">${inside}</body></html>`
    nested.push({ frame, secondStartMs: 0, messages: 0 })
  }

  const isFlood = (view) => {
    const nowMs = performance.now()
    if (nowMs - view.secondStartMs > 1000) {
      view.secondStartMs = nowMs
      view.messages = 0
    }
    view.messages += 1
    return view.messages > MESSAGES_PER_SECOND
  }

  addEventListener('message', (event) => {
    const at = nested.findIndex(({ frame }) => event.source !== null && event.source === frame.contentWindow)
    const view = nested[at]
    if (view === undefined) return
    if (isFlood(view)) {
      nested.splice(at, 1)
      view.frame.replaceWith('This view was stopped: it flooded the page with messages.')
      return
    }
    const { lyceumHeight: px, lyceumPaperHeight: paperPx, lyceumDownload: path } = event.data ?? {}
    if (typeof path === 'string') parent.postMessage({ lyceumDownload: path }, '*')
    if (!Number.isFinite(px)) return
    view.frame.style.setProperty('--height', within(px))
    view.frame.style.setProperty('--paper', within(Number.isFinite(paperPx) ? paperPx : px))
    tellSoon()
  })

  // A frame may not download. The page around does, where a person clicks on a file of a plugin.
  addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a[href]') : null
    if (!(link instanceof HTMLAnchorElement) || link.host !== new URL(document.baseURI).host) return
    if (!link.pathname.startsWith('/files/')) return
    event.preventDefault()
    parent.postMessage({ lyceumDownload: link.pathname }, '*')
  })

  // A chart that is drawn anew may be as high as before, and not on paper.
  addEventListener('lyceum-drawn', tellSoon)
  addEventListener('DOMContentLoaded', () => {
    for (const frame of document.querySelectorAll(NESTED)) open(frame)
    new ResizeObserver(tellChanges).observe(root)
    tell()
  })
})()
