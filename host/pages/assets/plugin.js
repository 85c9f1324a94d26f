// The page of a plugin: shows how far its rebuild is, for as long as one is under way.
;(() => {
  const EVERY_MS = 1_000

  const section = () => document.getElementById('rebuild')
  const isRunning = (part) => part?.dataset.state === 'running'

  const look = async () => {
    if (!isRunning(section())) return
    try {
      const answer = await fetch(`${location.pathname}/rebuild`)
      if (answer.ok) show(await answer.text())
    } catch {
      // The host is away for a moment: it is asked again.
    }
    setTimeout(look, EVERY_MS)
  }

  /** While it runs only the figures change, so that whoever is at the button stays there. */
  const show = (text) => {
    const given = new DOMParser().parseFromString(text, 'text/html').getElementById('rebuild')
    const [now, next] = [section()?.querySelector('.now'), given?.querySelector('.now')]
    if (given === null) return
    if (isRunning(given) && now && next) now.replaceWith(next)
    else section()?.replaceWith(given)
  }

  document.addEventListener('DOMContentLoaded', () => setTimeout(look, EVERY_MS))
})()
