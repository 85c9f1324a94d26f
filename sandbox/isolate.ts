import { performance } from 'node:perf_hooks'
import ivm from 'isolated-vm'
import { type Exceeded, exceededMessage, Meter } from './budget.ts'
import { CpuClock } from './cpu-clock.ts'
import { LoadError, loadFailure, lost, OUT_OF_MEMORY, rejection, STRANDED, thrown } from './endings.ts'
import type { Guest } from './guest/main.ts'
import { GuestModules } from './guest-modules.ts'
import { HARDEN } from './harden.ts'
import {
  type Budget,
  DONE,
  type DoneReport,
  End,
  type Failure,
  type InvokeRequest,
  type LoadRequest,
  RUNNING_OPS,
} from './protocol.ts'
import { failure } from './reports.ts'
import { whenStuck } from './stuck.ts'

/** Where an isolate reports to: the process, which sends it on to the host. */
export interface IsolateEvents {
  /** The isolate exists, and must be watched even while it loads. */
  created(isolate: GuestIsolate): void
  /** @param cpuMs what the call has used so far, where it asks another plugin */
  op(scope: bigint, op: number, call: number, text: string, cpuMs: number): void
  done(scope: bigint, report: DoneReport, result: string): void
  /** The isolate did not stop when told to: the process cannot be trusted with anything any more. */
  poisoned(reason: string): void
}

/** A turn that has used less CPU time than this when the time of its call is over will end by itself, or is seen again. */
const SHORT_TURN_MS = 50
/** On a busy machine it may take longer, but the host must hear of the call before it gives the process up. */
const SHORT_TURN_WALL_MS = 200

interface Invocation {
  readonly scope: bigint
  readonly meter: Meter
  readonly nowMs: number
  readonly startedMs: number
  /** Replies that have not come yet. */
  waiting: number
  /** Calls to other plugins that are not answered. Until they are, none of its turns runs. */
  readonly asked: Set<number>
  /** Those of them that leave when the turn has ended. */
  readonly questions: { readonly op: number; readonly call: number; readonly text: string }[]
  done: { end: number; text: string } | undefined
}

interface Turn {
  readonly invocation: Invocation
  /**
   * Enters the isolate; resolves with how many messages have left it so far. V8's own timeout is not used:
   * isolated-vm keeps each until it would have fired, and ends the process where too many are due at once.
   */
  readonly run: () => Promise<number>
  /** Told of an error of the turn, or at once when the isolate is disposed, since the turn may never end. */
  readonly failed?: (error: unknown) => void
}

/**
 * The isolate of one plugin version. Its turns run one at a time, so that the CPU time of each is known;
 * a limit that is broken ends the whole isolate, because what is left of it cannot be trusted.
 */
export class GuestIsolate {
  readonly number: number
  readonly #events: IsolateEvents
  readonly #isolate: ivm.Isolate
  readonly #open = new Map<number, Invocation>()
  readonly #byScope = new Map<bigint, number>()
  #turns: Turn[] = []
  #guest: { readonly [Key in keyof Guest]: ivm.Reference<Guest[Key]> } | undefined
  #running: { readonly turn: Turn; readonly clock: CpuClock } | undefined
  #lastInvocation = 0
  #received = 0
  #ended: Failure | undefined
  /** When something last ran here, for choosing which idle isolate goes first. */
  lastUsedMs = performance.now()

  private constructor(number: number, memoryMb: number, events: IsolateEvents) {
    this.number = number
    this.#events = events
    this.#isolate = new ivm.Isolate({
      memoryLimit: memoryMb,
      onCatastrophicError: (message) => events.poisoned(`V8: ${message}`),
    })
  }

  /**
   * Makes an isolate and runs the top level of the bundle in it, on the budget of the request.
   * @throws {LoadError} with what the author has to change
   */
  static async load(
    number: number,
    request: LoadRequest,
    bundle: string,
    events: IsolateEvents,
  ): Promise<GuestIsolate> {
    const self = new GuestIsolate(number, request.memoryMb, events)
    events.created(self)
    const budget = { cpuMs: request.cpuMs, wallMs: request.wallMs, ops: 0, bytes: 0, outputBytes: 0 }
    const invocation = self.#invocation(0n, budget, Date.now())
    const loading = new Promise<void>((resolve, reject) => {
      self.#turns.push({
        invocation,
        run: async () => {
          await self.#boot(bundle, request.wallMs)
          resolve()
          return 0
        },
        failed: reject,
      })
    })
    self.#open.set(0, invocation)
    void self.#runTurns()
    try {
      await loading
    } catch (error) {
      const ended = self.#ended
      self.dispose('bundle_broken', 'It did not load.')
      if (ended !== undefined) throw new LoadError(ended)
      throw new LoadError(loadFailure(error))
    }
    self.#open.delete(0)
    return self
  }

  get idle(): boolean {
    return this.#open.size === 0
  }

  /** CPU time of the turn that is running; undefined where none is. */
  get turnCpuMs(): number | undefined {
    return this.#running?.clock.usedMs()
  }

  get disposed(): boolean {
    return this.#ended !== undefined
  }

  async #boot(bundle: string, timeoutMs: number): Promise<void> {
    const context = await this.#isolate.createContext()
    const setClock = await context.eval(HARDEN, { reference: true })
    setClock.applyIgnored(undefined, [Date.now()])
    const modules = new GuestModules(this.#isolate, context)
    const guest = await modules.loadGuest()
    const plugin = await modules.loadBundle(bundle)
    await plugin.evaluate({ timeout: timeoutMs })
    const send = new ivm.Callback(
      (invocation: number, op: number, call: number, text: string) =>
        this.#receive(invocation, op, call, text),
      { ignored: true },
    )
    const boot: ivm.Reference<(...given: unknown[]) => Guest> = await guest.namespace.get('boot', {
      reference: true,
    })
    const booted = await boot.apply(undefined, [send, setClock.derefInto(), plugin.namespace.derefInto()], {
      result: { reference: true },
      timeout: timeoutMs,
    })
    this.#guest = {
      start: await booted.get('start', { reference: true }),
      settle: await booted.get('settle', { reference: true }),
      forget: await booted.get('forget', { reference: true }),
    }
  }

  /** Starts a call. Its end is reported by `done`, always once. */
  invoke(scope: bigint, request: InvokeRequest, requestText: string, input: string): void {
    const guest = this.#guest
    if (guest === undefined || this.#ended !== undefined) {
      this.#events.done(scope, lost(0), '')
      return
    }
    const id = ++this.#lastInvocation
    const invocation = this.#invocation(scope, request.budget, request.nowMs)
    // Copied while the turn before runs, so that the isolate does not wait for it.
    const copied = new ivm.ExternalCopy(input)
    this.#open.set(id, invocation)
    this.#byScope.set(scope, id)
    this.#turns.push({
      invocation,
      run: () =>
        guest.start.apply(undefined, [id, requestText, copied.copyInto({ release: true }), request.nowMs]),
    })
    void this.#runTurns()
  }

  /** Delivers the host's answer to an op. Answers to calls that have ended are dropped. */
  settle(scope: bigint, call: number, failed: boolean, text: string): void {
    const id = this.#byScope.get(scope)
    const invocation = id === undefined ? undefined : this.#open.get(id)
    const guest = this.#guest
    if (id === undefined || invocation === undefined || guest === undefined) return
    invocation.waiting -= 1
    invocation.asked.delete(call)
    const clockMs = invocation.nowMs + (performance.now() - invocation.startedMs)
    this.#turns.push({
      invocation,
      run: () => guest.settle.apply(undefined, [id, call, failed, text, Math.floor(clockMs)]),
    })
    void this.#runTurns()
  }

  /** Told what other plugins have used in all for a call that asked them: it is charged to that call. */
  spent(scope: bigint, cpuMs: number): void {
    const id = this.#byScope.get(scope)
    const invocation = id === undefined ? undefined : this.#open.get(id)
    if (id === undefined || invocation === undefined) return
    invocation.meter.askedCpuMs = Math.max(invocation.meter.askedCpuMs, cpuMs)
    // It stands still, so it can end without the isolate.
    if (invocation.meter.overTime(0, 0) !== undefined) this.#fail(id, invocation, 'over_cpu')
  }

  /** Looks after the limits; called every few milliseconds while anything is open. */
  watch(nowMs: number): void {
    if (this.#ended !== undefined) return
    const running = this.#running
    if (running !== undefined) {
      const { meter } = running.turn.invocation
      // V8 gives up on an isolate that is out of memory, but native code in it may go on and on.
      if (this.#isolate.isDisposed) {
        this.dispose('over_memory', OUT_OF_MEMORY, running.turn.invocation)
        return
      }
      const usedMs = running.clock.usedMs()
      const exceeded = meter.overTime(usedMs, nowMs)
      // Whoever waits most of the time takes short turns: one of them is let end, and the others here go on.
      const isShort =
        exceeded === 'over_wall' && usedMs < SHORT_TURN_MS && nowMs < meter.deadlineMs + SHORT_TURN_WALL_MS
      if (exceeded !== undefined && !isShort) {
        this.dispose(exceeded, exceededMessage(exceeded, meter.budget), running.turn.invocation)
        return
      }
    }
    for (const [id, invocation] of this.#open)
      if (id !== 0 && invocation !== running?.turn.invocation && nowMs > invocation.meter.deadlineMs)
        this.#fail(id, invocation, 'over_wall')
  }

  /**
   * Ends the isolate and everything in it.
   * @param culprit the invocation to which the failure belongs; the others are told that the isolate was lost
   */
  dispose(code: string, message: string, culprit?: Invocation): void {
    this.#disposeFor(failure(code, message), culprit)
  }

  #disposeFor(ended: Failure, culprit: Invocation | undefined): void {
    if (this.#ended !== undefined) return
    this.#ended = ended
    const running = this.#running
    if (running !== undefined) {
      running.turn.failed?.(new LoadError(ended))
      running.turn.invocation.meter.cpuMs += running.clock.usedMs()
      whenStuck(
        () => this.#running === running,
        () => this.#events.poisoned(`${ended.code}: the isolate did not stop`),
      )
    }
    for (const [id, invocation] of this.#open) {
      const { cpuMs } = invocation.meter
      const report = invocation === culprit ? { cpuMs, failure: ended, isolateLost: true } : lost(cpuMs)
      if (id !== 0) this.#end(id, invocation, report, '')
    }
    this.#turns = []
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }

  /** Blames whatever runs right now, for a limit that is measured on the whole process. */
  disposeRunning(code: string, message: string): void {
    this.dispose(code, message, this.#running?.turn.invocation)
  }

  #invocation(scope: bigint, budget: Budget, nowMs: number): Invocation {
    const startedMs = performance.now()
    const meter = new Meter(budget, startedMs)
    return {
      scope,
      meter,
      nowMs,
      startedMs,
      waiting: 0,
      asked: new Set(),
      questions: [],
      done: undefined,
    }
  }

  #receive(id: number, op: number, call: number, text: string): void {
    this.#received += 1
    const invocation = this.#open.get(id)
    if (invocation === undefined || invocation.done !== undefined || this.#ended !== undefined) return
    if (op === DONE) {
      invocation.done = { end: call, text }
      return
    }
    const exceeded = invocation.meter.countOp(Buffer.byteLength(text))
    if (exceeded !== undefined) {
      this.dispose(exceeded, exceededMessage(exceeded, invocation.meter.budget), invocation)
      return
    }
    if (call !== 0) invocation.waiting += 1
    if (RUNNING_OPS.has(op)) invocation.questions.push({ op, call, text })
    else this.#events.op(invocation.scope, op, call, text, 0)
  }

  async #runTurns(): Promise<void> {
    if (this.#running !== undefined) return
    for (let turn = this.#nextTurn(); turn !== undefined; turn = this.#nextTurn()) {
      const { meter } = turn.invocation
      const running = { turn, clock: new CpuClock(this.#isolate) }
      this.#running = running
      let sent = 0
      try {
        sent = await turn.run()
      } catch (error) {
        if (this.#ended === undefined) meter.cpuMs += running.clock.usedMs()
        this.#running = undefined
        this.#turnFailed(turn, error)
        turn.failed?.(error)
        if (this.#ended !== undefined) return
        continue
      }
      if (this.#ended !== undefined) {
        this.#running = undefined
        return
      }
      meter.cpuMs += running.clock.usedMs()
      // What the guest sent in this turn is on its way through the same queue, but may be behind its end.
      while (this.#received < sent && !this.disposed) await nextTick()
      this.#running = undefined
      if (this.#ended !== undefined) return
      this.lastUsedMs = performance.now()
      this.#finishDone()
      // The watch sees only turns that are still running; many short ones add up here.
      const { invocation } = turn
      const id = invocation.done === undefined ? this.#byScope.get(invocation.scope) : undefined
      const over = id === undefined ? undefined : meter.overTime(0, this.lastUsedMs)
      if (id !== undefined && over === 'over_wall') this.#fail(id, invocation, over)
      else if (over !== undefined) {
        this.dispose(over, exceededMessage(over, meter.budget), invocation)
        return
      }
      this.#ask()
    }
    this.#failStranded()
  }

  #nextTurn(): Turn | undefined {
    const at = this.#turns.findIndex(({ invocation }) => invocation.asked.size === 0)
    return at < 0 ? undefined : this.#turns.splice(at, 1)[0]
  }

  /**
   * Sends what the turn asks of other plugins. Only now is known what it used, so that they get the rest; and
   * who asks stands still until all of them have answered, or both could use that rest.
   */
  #ask(): void {
    for (const { scope, meter, questions, asked } of this.#open.values())
      for (const { op, call, text } of questions.splice(0)) {
        asked.add(call)
        this.#events.op(scope, op, call, text, meter.cpuMs)
      }
  }

  #turnFailed(turn: Turn, error: unknown): void {
    const { invocation } = turn
    if (this.#ended !== undefined) return
    if (this.#isolate.isDisposed) {
      this.dispose('over_memory', OUT_OF_MEMORY, invocation)
      return
    }
    const message = error instanceof Error ? error.message : String(error)
    if (message.includes('timed out')) {
      this.dispose('over_wall', exceededMessage('over_wall', invocation.meter.budget), invocation)
      return
    }
    if (invocation.scope === 0n) return // a load that failed reports for itself
    this.#disposeFor(rejection(error), invocation)
  }

  #finishDone(): void {
    for (const [id, invocation] of this.#open) {
      const { done, meter } = invocation
      if (done === undefined) continue
      const { cpuMs } = meter
      const failed = done.end === End.failure
      if (failed) this.#end(id, invocation, { cpuMs, failure: thrown(done.text) }, '')
      else if (done.end === End.tooLarge || Buffer.byteLength(done.text) > meter.budget.outputBytes)
        this.#fail(id, invocation, 'over_output')
      else this.#end(id, invocation, { cpuMs }, done.text)
    }
  }

  /** With nothing queued and no reply to come, what is still open waits for something that never happens. */
  #failStranded(): void {
    if (this.#running !== undefined || this.#turns.length > 0) return
    for (const invocation of this.#open.values())
      if (invocation.waiting > 0 || invocation.scope === 0n) return
    for (const [id, invocation] of this.#open) {
      this.#end(id, invocation, { cpuMs: invocation.meter.cpuMs, failure: STRANDED }, '')
    }
  }

  #fail(id: number, invocation: Invocation, exceeded: Exceeded): void {
    const { cpuMs, budget } = invocation.meter
    this.#end(id, invocation, { cpuMs, failure: failure(exceeded, exceededMessage(exceeded, budget)) }, '')
  }

  #end(id: number, invocation: Invocation, report: DoneReport, result: string): void {
    this.#open.delete(id)
    this.#byScope.delete(invocation.scope)
    invocation.asked.clear()
    // What it still had before it would run for nobody, and be charged to nobody.
    this.#turns = this.#turns.filter((turn) => turn.invocation !== invocation)
    // One that ended by itself has forgotten itself.
    if (this.#ended === undefined && invocation.done === undefined)
      this.#guest?.forget.applyIgnored(undefined, [id])
    this.#events.done(invocation.scope, report, result)
  }
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
