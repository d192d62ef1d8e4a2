/** Published data sets and metadata: small shared tables that Python clients keep on the scheduler (extension `publish_*`). */
import { ArgumentError, ExistsError, NotFoundError, RemoteProtocolError } from "../base/index.ts";
import type { Handlers } from "../comm/index.ts";
import { type Key, valueOfKey } from "../graph/index.ts";
import { KEY } from "../protocol/index.ts";
import type { Hub } from "./hub.ts";
import { PUBLISHER } from "./own-clients.ts";

/** Time a publication waits for the client's stream to come so far, and that it is remembered for who asks later. */
const FLUSH_MS = 30_000;

/** A point of a client's stream, until whoever asks for it has it or nobody did. */
interface FlushPoint extends PromiseWithResolvers<void> {
  readonly timer: NodeJS.Timeout;
}

/** The tables, and the handlers over them. */
export class Published {
  readonly #hub: Hub;
  readonly #sets = new Map<string, { readonly name: unknown; readonly data: unknown; readonly keys: readonly Key[] }>();
  readonly #metadata: Map<unknown, unknown> = new Map();
  readonly #flushes = new Map<string, FlushPoint>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** A client's stream has come to the point with this number. */
  reached(uid: unknown): void {
    this.#flush(String(uid)).resolve();
  }

  handlers(): Handlers {
    return {
      publish_put: (request) => this.#put(request),
      publish_get: (request) => this.#get(request),
      publish_delete: (request) => this.#delete(request),
      publish_list: () =>
        Array.from(this.#sets)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, set]) => set.name),
      set_metadata: (request) => this.#setMetadata(pathOf(request), request.get("value")),
      get_metadata: (request) => this.#readMetadata(request),
    };
  }

  async #put(request: ReadonlyMap<unknown, unknown>): Promise<null> {
    await this.#flushed(request.get("uid"));
    this.#hub.feed({ type: "client-joined", client: PUBLISHER });
    const [names, keys, data] = [listIn(request, "names"), listIn(request, "keys"), listIn(request, "data")];
    names.forEach((raw, i) => {
      const name = nameOf(raw);
      if (this.#sets.has(name) && request.get("override") !== true)
        throw new ExistsError(`Dataset ${String(raw)} already exists`);
      const own = (Array.isArray(keys[i]) ? keys[i] : []).map((key: unknown) => KEY.read(key, "publish_put.keys"));
      // Before those that it replaces are let go: they may be the same.
      this.#hub.feed({ type: "client-desires-keys", client: PUBLISHER, keys: own });
      const before = this.#sets.get(name);
      this.#sets.set(name, { name: raw, data: data[i], keys: own });
      this.#letGo(before?.keys ?? []);
    });
    return null;
  }

  #get(request: ReadonlyMap<unknown, unknown>): unknown[] {
    return listIn(request, "names").map((raw) => {
      const found = this.#sets.get(nameOf(raw));
      return found ? { data: found.data, keys: found.keys.map(valueOfKey) } : null;
    });
  }

  async #delete(request: ReadonlyMap<unknown, unknown>): Promise<null> {
    await this.#flushed(request.get("uid"));
    for (const raw of listIn(request, "names")) this.#release(nameOf(raw));
    return null;
  }

  #release(name: string): void {
    const found = this.#sets.get(name);
    this.#sets.delete(name);
    this.#letGo(found?.keys ?? []);
  }

  /** A key may belong to several sets. */
  #letGo(keys: readonly Key[]): void {
    if (keys.length === 0) return;
    const kept = new Set(Array.from(this.#sets.values()).flatMap((set) => set.keys));
    this.#hub.feed({ type: "client-releases-keys", client: PUBLISHER, keys: keys.filter((key) => !kept.has(key)) });
  }

  /** A path of names leads through nested maps; one that ends early gives the map of all that is below. */
  #setMetadata(path: readonly unknown[], value: unknown): null {
    let map = this.#metadata;
    for (const name of path.slice(0, -1)) {
      const inner = map.get(name);
      const next: Map<unknown, unknown> = inner instanceof Map ? inner : new Map();
      map.set(name, next);
      map = next;
    }
    map.set(path.at(-1), value);
    return null;
  }

  #readMetadata(request: ReadonlyMap<unknown, unknown>): unknown {
    const path = pathOf(request);
    let value: unknown = this.#metadata;
    for (const name of path) value = value instanceof Map ? value.get(name) : undefined;
    if (value !== undefined) return value;
    const fallback = request.get("default");
    if (fallback === undefined || fallback === "__no_default__")
      throw new NotFoundError(`no metadata under ${JSON.stringify(path)}`);
    return fallback;
  }

  /** The point with this number; what it is called is the client's choice, so each ends. */
  #flush(uid: string): FlushPoint {
    const known = this.#flushes.get(uid);
    if (known) return known;
    const timer = setTimeout(() => {
      this.#flushes.delete(uid);
      point.resolve();
    }, FLUSH_MS).unref();
    const point: FlushPoint = { ...Promise.withResolvers<void>(), timer };
    this.#flushes.set(uid, point);
    return point;
  }

  async #flushed(uid: unknown): Promise<void> {
    if (uid === undefined || uid === null) return;
    const point = this.#flush(String(uid));
    await point.promise;
    clearTimeout(point.timer);
    this.#flushes.delete(String(uid));
  }
}

function listIn(request: ReadonlyMap<unknown, unknown>, field: string): readonly unknown[] {
  const value = request.get(field);
  if (Array.isArray(value)) return value;
  throw new RemoteProtocolError(`${String(request.get("op"))}.${field}: expected an array`);
}

/** One text per name; names are keys. */
function nameOf(raw: unknown): string {
  return KEY.read(raw, "name of a data set");
}

/** Depth of nested metadata. */
const PATH_MAX = 64;

function pathOf(request: ReadonlyMap<unknown, unknown>): readonly unknown[] {
  const path = listIn(request, "keys");
  if (path.length === 0 || path.length > PATH_MAX)
    throw new ArgumentError(`a path of ${path.length} names for metadata; expected 1 to ${PATH_MAX}`);
  return path;
}
