/** From a URL or path to the store and key behind it. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ArgumentError, shownValue, UnsupportedError } from "../../base/index.ts";
import { FileStore } from "./file-store.ts";
import { type HttpOptions, HttpStore } from "./http-store.ts";
import { redact } from "./keys.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Store } from "./store.ts";

/** Options of {@link openStore}. */
export interface StoreOptions {
  readonly http?: HttpOptions;
}

/** An object: its store and its key there. */
export interface Located {
  readonly store: Store;
  readonly key: string;
}

const STORES = new Map<string, Store>();
const STORES_MAX = 1024;

/**
 * `url` as a URL; what has no scheme is a path of this machine.
 * @throws {ArgumentError} it is neither
 */
export function toUrl(url: string | URL): URL {
  if (url instanceof URL) return url;
  if (typeof url !== "string" || url === "") throw new ArgumentError(`${shownValue(url)} is no path and no URL`);
  if (!/^[a-zA-Z][a-zA-Z0-9+.-]+:/.test(url)) return pathToFileURL(resolve(url));
  const found = URL.parse(url);
  // Without its text, which may hold a password.
  if (!found) throw new ArgumentError("a URL is unreadable; for example https://host/path/to/store.zarr");
  return found;
}

/**
 * The store whose root is `url`, a folder: plain paths and `file:`, `http(s):`, `memory:`.
 * @throws {UnsupportedError} another scheme
 */
export function openStore(url: string | URL, options: StoreOptions = {}): Store {
  const root = new URL(toUrl(url));
  if (!root.pathname.endsWith("/")) root.pathname += "/";
  if (options.http) return makeStore(root, options);
  const cached = STORES.get(root.href);
  if (cached) return cached;
  const store = makeStore(root, options);
  if (STORES.size >= STORES_MAX) STORES.delete(STORES.keys().next().value as string); // not empty
  STORES.set(root.href, store);
  return store;
}

/**
 * Store and key of one object, whose store is the folder that holds it.
 * @throws {UnsupportedError} an unknown scheme
 */
export function locate(url: string | URL, options: StoreOptions = {}): Located {
  const object = toUrl(url);
  const root = new URL("./", object);
  const raw = object.pathname.slice(object.pathname.lastIndexOf("/") + 1);
  const isWeb = object.protocol === "http:" || object.protocol === "https:";
  return { store: openStore(root, options), key: isWeb ? raw + object.search : decodeURIComponent(raw) };
}

/** True when the object behind `url` can be read without an event loop. */
export function isLocalUrl(url: string): boolean {
  return /^(file|memory):/.test(toUrl(url).protocol);
}

function makeStore(root: URL, options: StoreOptions): Store {
  switch (root.protocol) {
    case "file:":
      return new FileStore(root);
    case "http:":
    case "https:":
      if (root.username !== "" || root.password !== "") {
        throw new ArgumentError(`${redact(root)}: credentials do not belong into a URL; pass them as headers`, {
          details: { url: redact(root) },
        });
      }
      return new HttpStore(root, options.http);
    case "memory:":
      return new MemoryStore(root);
    default:
      throw new UnsupportedError(`no store for ${root.protocol}// URLs; expected a path, file:, http: or https:`, {
        details: { scheme: root.protocol },
      });
  }
}
