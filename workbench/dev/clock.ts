import { LyceumError } from '../../host/errors.ts'

/** How the time of a {@link DevClock} runs. */
export interface ClockSetting {
  /** Where it began, in ms since the epoch; null is now. */
  readonly fromMs: number | null
  /** Seconds that pass in one second; 0 stands still. */
  readonly speed: number
}

const NOW: ClockSetting = { fromMs: null, speed: 1 }
/** A year in ten seconds: beyond it nothing can be watched any more. */
const MOST_SPEED = 3_600_000

/** The clock that a host in development gives its plugins: the system's, or any other time at any speed. */
export class DevClock {
  #setting = NOW
  #beganMs = Date.now()
  #setAtMs = performance.now()

  /** ms since the epoch. */
  readonly nowMs = (): number => {
    if (this.#setting === NOW) return Date.now()
    return Math.floor(this.#beganMs + (performance.now() - this.#setAtMs) * this.#setting.speed)
  }

  get setting(): ClockSetting {
    return this.#setting
  }

  /** @throws {LyceumError} bad_parameter */
  set({ fromMs, speed }: ClockSetting): void {
    if (!(speed >= 0 && speed <= MOST_SPEED))
      throw new LyceumError('bad_parameter', `speed: a number from 0 to ${MOST_SPEED}.`, {
        parameter: 'speed',
      })
    if (fromMs !== null && Number.isNaN(new Date(fromMs).getTime()))
      throw new LyceumError('bad_parameter', 'at: a time such as 2026-03-01T09:00.', { parameter: 'at' })
    this.#beganMs = fromMs ?? Date.now()
    this.#setAtMs = performance.now()
    this.#setting = fromMs === null && speed === 1 ? NOW : { fromMs, speed }
  }
}
