/** Names below a group, without walking its chunks. */
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Store } from "../store/store.ts";

/** Folders directly below a store's root; null where the store lists nothing. */
export async function childNames(store: Store): Promise<string[] | null> {
  if (store.url.protocol === "file:") {
    const entries = await readdir(fileURLToPath(store.url), { withFileTypes: true });
    return entries
      .filter((e) => e.isDirectory() && !e.name.startsWith("."))
      .map((e) => e.name)
      .sort();
  }
  if (!store.can.list) return null;
  const names = new Set<string>();
  for await (const { key } of store.list("")) {
    const cut = key.indexOf("/");
    if (cut > 0) names.add(key.slice(0, cut));
  }
  return [...names].sort();
}
