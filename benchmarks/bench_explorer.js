// What bench_explorer.py has the page measure of itself.
(() => {
  const painted = (then) => requestAnimationFrame(() => setTimeout(() => then(performance.now())))
  const rows = () => [...document.querySelectorAll('.grid .line')]
  const isWhole = () => rows().length > 0 && !document.querySelector('.grid .waiting, .grid[aria-busy=true]')
  let typed = 0
  addEventListener('keydown', (event) => (typed = event.timeStamp), true)

  // Milliseconds from the start of the navigation to the paint of the first rows.
  window.first = new Promise((resolve) => {
    const look = () => (isWhole() ? painted(resolve) : requestAnimationFrame(look))
    look()
  })

  // Milliseconds from the last key to the paint of the rows that it asks for.
  window.answered = (word) =>
    new Promise((resolve) => {
      const wanted = word.toLowerCase()
      const look = () => {
        const names = rows().map((row) => row.querySelector('a')?.textContent.toLowerCase() ?? '')
        const isThere = document.querySelector('.grid .note') ? names.length === 0 : isWhole()
        const isAnswer = names.length > 0 ? names.every((name) => name.includes(wanted)) : true
        if (isThere && isAnswer) painted((at) => resolve(at - typed))
        else requestAnimationFrame(look)
      }
      look()
    })

  // Whether the visible part of the list has a row everywhere, with its values.
  window.isBlank = () => {
    const grid = document.querySelector('.grid')
    const box = grid.getBoundingClientRect()
    const top = box.top + grid.querySelector('.head').offsetHeight
    const seen = rows()
      .map((row) => ({ box: row.getBoundingClientRect(), isWaiting: row.querySelector('.waiting') !== null }))
      .filter((row) => row.box.bottom > top + 1 && row.box.top < box.bottom - 1)
    const covered = seen.reduce((sum, row) => sum + Math.min(row.box.bottom, box.bottom) - Math.max(row.box.top, top), 0)
    return seen.some((row) => row.isWaiting) || covered < box.bottom - top - 40
  }

  // Scroll at a speed (pixels per second) for some seconds; frames, and those with blanks among them.
  window.scrollOn = (speed, seconds) =>
    new Promise((resolve) => {
      const grid = document.querySelector('.grid')
      const from = grid.scrollTop
      const started = performance.now()
      let frames = 0
      let blank = 0
      let longest = 0
      let before = started
      const step = (now) => {
        frames += 1
        longest = Math.max(longest, now - before)
        before = now
        const passed = now - started
        const end = grid.scrollHeight - grid.clientHeight
        const target = from + (speed * passed) / 1000
        grid.scrollTop = target
        if (window.isBlank()) blank += 1 // this is what will be painted: the list hears of it in the next frame
        if (passed >= seconds * 1000 || (speed > 0 && target >= end)) resolve({ frames, blank, longest, passed })
        else requestAnimationFrame(step)
      }
      requestAnimationFrame(step)
    })

  // Milliseconds from a jump to a part of the list to the paint of its rows.
  window.jump = (part) =>
    new Promise((resolve) => {
      const grid = document.querySelector('.grid')
      const started = performance.now()
      grid.scrollTop = (grid.scrollHeight - grid.clientHeight) * part
      const look = () => (window.isBlank() ? requestAnimationFrame(look) : painted((at) => resolve(at - started)))
      requestAnimationFrame(look)
    })
})()
