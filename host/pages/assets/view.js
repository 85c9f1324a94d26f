// The page around a view: says that the view is being worked out, and gives its frame the height it asks for.
// The frame is hostile. Only its own height follows what it says, a download that a person has just clicked on, and
// what draws charts, which is nobody's secret; and it is taken away if it shouts.
;(() => {
  const LEAST_PX = 50
  const MOST_PX = 20_000
  const APPLY_EVERY_MS = 100
  const MESSAGES_PER_SECOND = 200
  /** Most views are there before anybody would want to know how far they are. */
  const WATCH_AFTER_MS = 1_000

  const CHART_SCRIPTS = 5
  const chartScript = document.currentScript.dataset.charts

  let isReady = false
  let chartScriptsGiven = 0
  let wantedPx = 0
  let wantedOnPaperPx = 0
  let timer = 0
  let secondStartMs = 0
  let messages = 0
  let downloadMs = Number.NEGATIVE_INFINITY
  let watched
  let watchTimer = 0

  const frame = () => document.getElementById('view')

  const say = (text, isWorking) => {
    const status = document.getElementById('status')
    if (!status) return
    status.textContent = text
    status.classList.toggle('working', isWorking)
  }

  /** Shows how far a view is that takes its time, as the host says it. */
  const watch = () => {
    if (isReady || !frame()) return
    say('Working…', true)
    watched = new EventSource(frame().getAttribute('src').replace('/frames/', '/progress/'))
    watched.onmessage = ({ data }) => {
      const { fraction, text } = JSON.parse(data)
      const bar = document.getElementById('progress')
      bar.hidden = false
      bar.value = fraction
      say(`Working… ${Math.floor(fraction * 100)} %${text ? ` · ${text}` : ''}`, true)
    }
    watched.addEventListener('over', () => watched.close())
  }

  const unwatch = () => {
    watched?.close()
    const bar = document.getElementById('progress')
    if (bar) bar.hidden = true
  }

  /** The border is part of the height. */
  const within = (px) => Math.min(Math.max(Math.ceil(px) + 2, LEAST_PX), MOST_PX)

  const apply = () => {
    timer = 0
    const shown = frame()
    if (!shown) return
    shown.style.setProperty('--height', `${wantedPx}px`)
    shown.style.setProperty('--paper', `${wantedOnPaperPx}px`)
  }

  const isFlood = () => {
    const nowMs = performance.now()
    if (nowMs - secondStartMs > 1000) {
      secondStartMs = nowMs
      messages = 0
    }
    messages += 1
    return messages > MESSAGES_PER_SECOND
  }

  /** Fetches a file of a plugin for a person who clicked just now. What it may fetch its address says, which is signed. */
  const download = (path) => {
    if (typeof path !== 'string' || path.length > 10_000 || !/^\/files\/\w+\/[\w.-]+$/.test(path)) return
    if (!navigator.userActivation.isActive || performance.now() - downloadMs < 1000) return
    downloadMs = performance.now()
    const link = document.createElement('a')
    link.href = path
    link.download = ''
    link.click()
  }

  /** The frame loads nothing. What draws its charts browsers keep for this page, and the frame gets it as text. */
  const giveChartScript = async (asking) => {
    chartScriptsGiven += 1
    if (chartScriptsGiven > CHART_SCRIPTS) return
    const answer = await fetch(chartScript)
    if (answer.ok) asking.postMessage({ lyceumChartScript: await answer.text() }, '*')
  }

  const listen = (event) => {
    const shown = frame()
    if (!shown || event.source !== shown.contentWindow) return
    if (isFlood()) {
      removeEventListener('message', listen)
      clearTimeout(timer)
      shown.remove()
      unwatch()
      say('This view was stopped: it flooded the page with messages. Reload the page to try again.', false)
      return
    }
    download(event.data?.lyceumDownload)
    if (event.data?.lyceumCharts === true) void giveChartScript(event.source)
    const { lyceumHeight: px, lyceumPaperHeight: paperPx } = event.data ?? {}
    if (!Number.isFinite(px)) return
    wantedPx = within(px)
    wantedOnPaperPx = within(Number.isFinite(paperPx) ? paperPx : px)
    timer ||= setTimeout(apply, APPLY_EVERY_MS)
  }
  addEventListener('message', listen)

  // The frame may be ready before the page is: its event is caught on the way down.
  document.addEventListener(
    'load',
    (event) => {
      if (event.target !== frame()) return
      isReady = true
      unwatch()
      say('', false)
    },
    true,
  )
  document.addEventListener('DOMContentLoaded', () => {
    if (!frame() || isReady) return
    say('Working…', true)
    watchTimer = setTimeout(watch, WATCH_AFTER_MS)
  })
  // Another frame is in the place of the one before: lyceum dev does that after each save.
  document.addEventListener('lyceum-frame', () => {
    isReady = false
    chartScriptsGiven = 0
    unwatch()
    clearTimeout(watchTimer)
    watchTimer = setTimeout(watch, WATCH_AFTER_MS)
    addEventListener('message', listen)
  })
})()
