/** How objects look under Node's `console.log` and `util.inspect`. */

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** Make all objects of a class show as their `toString()`. */
export function inspectAsText(prototype: object): void {
  Object.defineProperty(prototype, INSPECT, {
    value(this: object): string {
      return String(this.toString());
    },
  });
}
