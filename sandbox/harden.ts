/**
 * Runs first in every new context, before any code of the plugin: takes away what no plugin needs and
 * what escapes turns and budgets (callbacks that run outside a turn, memory that the limit does not see,
 * code that is not JavaScript), and gives `Date` a clock that stands still within a turn.
 *
 * Returns the function that sets that clock.
 */
export const HARDEN = `'use strict';
(() => {
  for (const name of ['FinalizationRegistry', 'WeakRef', 'SharedArrayBuffer', 'Atomics', 'WebAssembly'])
    delete globalThis[name];
  // Resizable buffers grow past the isolate's memory limit unseen.
  const PlainArrayBuffer = ArrayBuffer;
  const refuseResizable = {
    construct(target, args, newTarget) {
      if (args.length > 1 && args[1] != null && args[1].maxByteLength !== undefined)
        throw new RangeError('resizable ArrayBuffers are not available in a plugin');
      return Reflect.construct(target, args.length > 0 ? [args[0]] : [], newTarget);
    },
  };
  const construct = Reflect.construct;
  const GuardedArrayBuffer = new Proxy(PlainArrayBuffer, {
    construct(target, args, newTarget) {
      if (args.length > 1 && args[1] != null && args[1].maxByteLength !== undefined)
        throw new RangeError('resizable ArrayBuffers are not available in a plugin');
      return construct(target, args.length > 0 ? [args[0]] : [], newTarget);
    },
  });
  Object.defineProperty(PlainArrayBuffer.prototype, 'constructor', { value: GuardedArrayBuffer });
  for (const name of ['resize', 'transfer', 'transferToFixedLength', 'transferToImmutable', 'sliceToImmutable'])
    delete PlainArrayBuffer.prototype[name];
  globalThis.ArrayBuffer = GuardedArrayBuffer;

  let turnMs = 0;
  const RealDate = Date;
  const now = () => turnMs;
  class FrozenDate extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(turnMs);
      else super(...args);
    }
    static now() {
      return turnMs;
    }
  }
  function GuestDate(...args) {
    if (new.target === undefined) return new FrozenDate().toString();
    return construct(FrozenDate, args, new.target === GuestDate ? FrozenDate : new.target);
  }
  Object.defineProperty(FrozenDate.prototype, 'constructor', { value: GuestDate });
  Object.setPrototypeOf(GuestDate, RealDate);
  GuestDate.prototype = RealDate.prototype;
  globalThis.Date = GuestDate;
  return now && ((ms) => { turnMs = ms; });
})()`
