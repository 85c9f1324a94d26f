import { type Happening, player, type Visit, wait } from './envelope.ts'
import { logistic } from './random.ts'
import type { Video } from './syllabus.ts'

/** A video player: positions follow from the clock, the speed and what was pressed. */
class Player {
  readonly #visit: Visit
  readonly #video: Video
  #position = 0
  #speed = 1

  constructor(visit: Visit, video: Video) {
    this.#visit = visit
    this.#video = video
  }

  load(): Happening {
    return this.#send('load_video', {})
  }

  play(): Happening {
    return this.#send('play_video', { currentTime: this.#position })
  }

  pause(): Happening {
    return this.#send('pause_video', { currentTime: this.#position })
  }

  stop(): Happening {
    return this.#send('stop_video', { currentTime: this.#position })
  }

  seek(to: number): Happening {
    const old_time = this.#position
    this.#position = to
    const type = Math.abs(to - old_time - 30) < 1 ? 'onSkipSeek' : 'onSlideSeek'
    return this.#send('seek_video', { old_time, new_time: to, type })
  }

  changeSpeed(speed: number): Happening {
    const old_speed = this.#speed.toFixed(2)
    this.#speed = speed
    return this.#send('speed_change_video', {
      current_time: this.#position,
      old_speed,
      new_speed: speed.toFixed(2),
    })
  }

  /** Keeps playing up to the position; the clock goes on by as long as that takes. */
  playTo(position: number): void {
    if (position <= this.#position) return
    wait(this.#visit, (position - this.#position) / this.#speed)
    this.#position = Math.round(position * 1000) / 1000
  }

  #send(type: string, facts: object): Happening {
    const { id, code, durationSeconds } = this.#video
    return player(this.#visit, type, { id, code, duration: durationSeconds, ...facts })
  }
}

/** Watches a video, hard passages several times, to the end or until bored. */
export function* watch(visit: Visit, video: Video): Generator<Happening> {
  const { random, ability, engagement, playbackSpeed } = visit.learner
  const tape = new Player(visit, video)
  const finishes = random.chance(0.35 + 0.6 * engagement)
  const leaveAt = video.durationSeconds * (finishes ? 1 : random.between(0.1, 0.85))

  yield tape.load()
  wait(visit, random.pause(3))
  yield tape.play()
  if (playbackSpeed !== 1) {
    tape.playTo(random.between(2, 9))
    yield tape.changeSpeed(playbackSpeed)
  }

  for (const passage of video.hardPassages) {
    if (passage.to > leaveAt) break
    tape.playTo(passage.to)
    let again = logistic(passage.difficulty - ability)
    for (let times = 0; times < 4 && random.chance(again); times++) {
      yield* rewind(visit, tape, passage.from)
      tape.playTo(passage.to)
      again *= 0.6
    }
    if (random.chance(0.12 * (1 - engagement)) && passage.to + 30 < leaveAt) {
      yield tape.seek(passage.to + 30)
      wait(visit, 0.3)
      yield tape.play()
    }
  }

  tape.playTo(leaveAt)
  if (finishes || random.chance(0.7)) yield tape.pause()
  if (finishes) yield tape.stop()
}

/** Back to a passage, half of the time after a pause to think or take notes. */
function* rewind(visit: Visit, tape: Player, to: number): Generator<Happening> {
  const { random } = visit.learner
  if (random.chance(0.5)) {
    yield tape.pause()
    wait(visit, random.pause(15))
  }
  yield tape.seek(to)
  wait(visit, random.between(0.2, 1.2))
  yield tape.play()
}
