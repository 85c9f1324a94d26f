// Tells the page around how high the view is. It says nothing else, and the page believes nothing else.
;(() => {
  // For browsers that do not know Connection-Allowlist yet.
  delete window.RTCPeerConnection
  delete window.webkitRTCPeerConnection

  let told = 0
  const tell = () => {
    const px = Math.ceil(document.documentElement.getBoundingClientRect().height)
    if (px === told) return
    told = px
    parent.postMessage({ lyceumHeight: px }, '*')
  }
  addEventListener('DOMContentLoaded', () => {
    new ResizeObserver(tell).observe(document.documentElement)
    tell()
  })
})()
