/** Plugins that are kept, as bytes, for those who join later; how many, and how large, has a bound. */
import { ArgumentError } from "../base/index.ts";

/** Plugins and files that one scheduler keeps for later workers, bytes of one, and of all together. */
const PLUGINS_MAX = 1000;
const PLUGIN_BYTES_MAX = 256 * 2 ** 20;
const ALL_BYTES_MAX = 2 ** 30;

/** Plugins by name. */
export class KeptPlugins extends Map<string, Uint8Array> {
  readonly #bytesMax: number;

  /** @param bytesMax of all plugins that are kept */
  constructor(bytesMax: number = ALL_BYTES_MAX) {
    super();
    this.#bytesMax = bytesMax;
  }

  /** Keep what a request brings; gives it, or null where one of its name is kept and may stay. @throws {ArgumentError} too much */
  keep(request: ReadonlyMap<unknown, unknown>): { readonly name: string; readonly plugin: Uint8Array } | null {
    const plugin = request.get("plugin");
    const name = String(request.get("name"));
    if (!(plugin instanceof Uint8Array)) throw new ArgumentError(`plugin ${name}: expected bytes`);
    if (plugin.byteLength > PLUGIN_BYTES_MAX)
      throw new ArgumentError(`plugin ${name} has ${plugin.byteLength} bytes; at most ${PLUGIN_BYTES_MAX} are kept`);
    if (request.get("idempotent") === true && this.has(name)) return null;
    if (this.size >= PLUGINS_MAX && !this.has(name))
      throw new ArgumentError(`plugin ${name}: ${PLUGINS_MAX} are registered already; unregister one`);
    const others = this.#bytes() - (this.get(name)?.byteLength ?? 0);
    if (others + plugin.byteLength > this.#bytesMax)
      throw new ArgumentError(
        `plugin ${name} has ${plugin.byteLength} bytes, those that are registered ${others}; at most ${this.#bytesMax} are kept: unregister one`,
      );
    this.set(name, plugin);
    return { name, plugin };
  }

  #bytes(): number {
    return this.values().reduce((sum, plugin) => sum + plugin.byteLength, 0);
  }
}
