/**
 * A sandbox process that has fallen to its plugin: it speaks the pipe's language and lies. What it does is
 * the text of the bundle that it is told to load, one of the names below.
 */
import { FAILED, type Frame, splitPayload } from '../../process/frame.ts'
import { Life } from '../../process/life.ts'
import { Port } from '../../process/port.ts'
import { Kind, OPS } from '../../sandbox/protocol.ts'

const port = Port.ofChild(64 * 1024 * 1024, receive, () => process.kill(process.pid, 'SIGKILL'))
port.send({ kind: Life.ready })
let lie = ''

function receive(frame: Frame): void {
  if (frame.kind === Life.ping) port.send({ kind: Life.pong })
  else if (frame.kind === Kind.load) {
    lie = splitPayload(frame.payload).bytes.toString()
    loads[lie]?.(frame.call)
    if (loads[lie] === undefined) port.send({ kind: Kind.loaded, call: frame.call })
  } else if (frame.kind === Kind.invoke) {
    const act = lies[lie]
    if (act === undefined || splitPayload(frame.payload).control.includes('"honest"')) done(frame.scope)
    else act(frame.scope)
  }
}

function done(scope: bigint, report = '{"cpuMs":1}', result = '"honest"'): void {
  port.send({ kind: Kind.done, scope }, `${report}\n${result}`)
}

const read = (scope: bigint, payload = '{}') =>
  port.send({ kind: Kind.op, op: OPS.dbRead.code, call: 1, scope }, payload)

const loads: Readonly<Record<string, (call: number) => void>> = {
  'loads nothing, for ever': () => {},
  'loads what it was not given': (call) => port.send({ kind: Kind.loaded, call: call + 7 }),
  'loads twice': (call) => {
    port.send({ kind: Kind.loaded, call })
    port.send({ kind: Kind.loaded, call })
  },
  'fails to load with junk': (call) => port.send({ kind: Kind.loaded, call, flags: FAILED }, '[[[[[{{'),
  'floods with isolates that are gone': (call) => {
    for (let at = 0; at < 1_000; at++) port.send({ kind: Kind.loaded, call, flags: FAILED }, '{}')
  },
}

const lies: Readonly<Record<string, (scope: bigint) => void>> = {
  'ops of a call that it was not given': (scope) => read(scope ^ 1n),
  'the end of a call that it was not given': (scope) => done(scope ^ 1n),
  'the same end twice': (scope) => {
    done(scope)
    done(scope)
  },
  'ops of a call that has ended': (scope) => {
    done(scope)
    read(scope)
  },
  'an op that does not exist': (scope) => port.send({ kind: Kind.op, op: 99, call: 1, scope }, '{}'),
  'more ops than the budget': (scope) => {
    for (let at = 0; at <= 1_000; at++) read(scope)
  },
  'more bytes than the budget': (scope) => read(scope, 'x'.repeat(1_000_001)),
  'more output than the budget': (scope) => done(scope, '{"cpuMs":1}', `"${'x'.repeat(100_000)}"`),
  'a report without end': (scope) => done(scope, `{"cpuMs":1,"x":"${'x'.repeat(1_000_000)}"}`),
  'a kind that does not exist': (scope) => port.send({ kind: 200, scope }, 'x'),
  'a kind that only the host sends': (scope) => port.send({ kind: Kind.invoke, scope }, '{}\n{}'),
  'a frame as long as the pipe allows': (scope) => port.send({ kind: Kind.op, scope }, Buffer.alloc(63e6)),
  'a frame that is longer': () => port.send({ kind: Kind.op }, Buffer.alloc(70e6)),
  'a flood of pongs': () => {
    for (let at = 0; at < 100_000; at++) port.send({ kind: Life.pong })
  },
  'a flood of starts': () => {
    for (let at = 0; at < 100_000; at++) port.send({ kind: Life.ready })
  },
  'that it is poisoned by what is no list': () =>
    port.send({ kind: Kind.poisoned }, '{"isolates":5,"reason":{}}'),
  'that it is poisoned, in junk': () => port.send({ kind: Kind.poisoned }, '}{'),
  'that it is poisoned, and lives on': () =>
    port.send({ kind: Kind.poisoned }, '{"isolates":[],"reason":"r"}'),
  'that it is poisoned by isolates that never were': () =>
    port.send({ kind: Kind.poisoned }, '{"isolates":[77,-1,0.5,"__proto__",null],"reason":"r"}'),
  'that it is poisoned by what was first': () =>
    port.send({ kind: Kind.poisoned }, '{"isolates":[1],"reason":"r"}'),
  nothing: () => {},
  'a report that is junk': (scope) => done(scope, '\u0000{'),
  'a report that is null': (scope) => done(scope, 'null'),
  'CPU time without end': (scope) => done(scope, '{"cpuMs":1e999}'),
  'CPU time below nothing': (scope) => done(scope, '{"cpuMs":-1e9}'),
  'CPU time beyond the time that passed': (scope) => done(scope, '{"cpuMs":1e15}'),
  'a failure of the wrong types': (scope) =>
    done(scope, '{"cpuMs":1,"failure":{"code":[],"message":{},"stack":7,"details":"x","__proto__":{"x":1}}}'),
  'a failure as long as a book': (scope) =>
    done(
      scope,
      JSON.stringify({ cpuMs: 1, failure: { code: 'x'.repeat(999), message: 'x'.repeat(60_000) } }),
    ),
}
