/** The symbol by which Node's `console.log` and `util.inspect` ask an object how it looks. */
export const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom");
