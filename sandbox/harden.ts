/**
 * Runs first in every new context, before any code of the plugin: takes away what no plugin needs and
 * what escapes turns and budgets (callbacks that run outside a turn, memory that the limit does not see,
 * code that is not JavaScript), gives `Date` a clock that stands still within a turn, and says what to use
 * in place of `console`, and where an await was forgotten.
 *
 * The replaced constructors are plain functions: the handler of a Proxy would inherit traps from an
 * `Object.prototype` that the plugin has changed. Nothing leads from a replacement to its original.
 *
 * Returns the function that sets the clock.
 */
export const HARDEN = `'use strict';
(() => {
  for (const name of ['FinalizationRegistry', 'WeakRef', 'SharedArrayBuffer', 'Atomics', 'WebAssembly'])
    delete globalThis[name];
  const { apply, construct, defineProperty, getOwnPropertyDescriptor, ownKeys } = Reflect;

  const replace = (Original, Replacement) => {
    for (const key of ownKeys(Original))
      defineProperty(Replacement, key, getOwnPropertyDescriptor(Original, key));
    defineProperty(Original.prototype, 'constructor', { value: Replacement });
    defineProperty(globalThis, Original.name, { value: Replacement });
  };

  // Resizable buffers grow past the isolate's memory limit unseen.
  const RealBuffer = ArrayBuffer;
  replace(RealBuffer, function (length, options) {
    if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
    if (options !== null && typeof options === 'object' && options.maxByteLength !== undefined)
      throw new RangeError('Resizable ArrayBuffers are not available in a plugin.');
    return construct(RealBuffer, [length], new.target);
  });
  for (const name of ['resize', 'transfer', 'transferToFixedLength', 'transferToImmutable', 'sliceToImmutable'])
    delete RealBuffer.prototype[name];

  let turnMs = 0;
  const RealDate = Date;
  replace(RealDate, function (...parts) {
    if (new.target === undefined) return construct(RealDate, [turnMs]).toString();
    return construct(RealDate, parts.length === 0 ? [turnMs] : parts, new.target);
  });
  const now = () => turnMs;
  defineProperty(Date, 'now', { value: now });
  if (globalThis.Temporal !== undefined) delete Temporal.Now;
  // Without a date these show the real time.
  const formats = Intl.DateTimeFormat.prototype;
  const { get: formatOf } = getOwnPropertyDescriptor(formats, 'format');
  const { formatToParts } = formats;
  const dated = (date) => date === undefined ? turnMs : date;
  defineProperty(formats, 'format', { get() {
    const format = apply(formatOf, this, []);
    return (date) => format(dated(date));
  } });
  defineProperty(formats, 'formatToParts', { value(date) { return apply(formatToParts, this, [dated(date)]); } });

  // Nobody reads the console of an isolate: what is written there would be lost without a word.
  const RealError = Error;
  const { captureStackTrace } = Error;
  const refuse = () => {
    const error = new RealError("A plugin has no console. Destructure log in the handler: ({ log }) => log('…')");
    captureStackTrace(error, refuse);
    throw error;
  };
  for (const name of ['log', 'info', 'warn', 'error', 'debug']) defineProperty(console, name, { value: refuse });

  // What would print as [object Promise], or leave as {}, is an await that was forgotten.
  const forgotten = (key, where) => defineProperty(Promise.prototype, key, {
    configurable: true,
    writable: true,
    value: function unawaited() {
      const error = new TypeError('A promise ' + where + ': await it first.');
      captureStackTrace(error, unawaited);
      throw error;
    },
  });
  forgotten('toString', 'was put into a text');
  forgotten('toJSON', 'is inside of what is returned or kept');

  return (ms) => { turnMs = ms; };
})()`
