/** What somebody who sets a configuration should hear: misspelt names of ours, and keys from which nothing follows. */
import { nearestName } from "../base/index.ts";
import type { ConfigValue } from "./literal.ts";
import { SCHEMA } from "./schema.ts";
import { type ConfigTree, isTree } from "./tree.ts";

const OWN = Object.keys(SCHEMA).filter((key) => key.startsWith("rsdat."));

/** Warnings about the settings in `tree`, by key; Dask's own unknown keys pass, since other tools read them. */
export function settingWarnings(tree: ConfigTree): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  for (const [key, value] of leaves(tree, "")) {
    const entry = SCHEMA[key];
    const isInert = entry?.isInert === true || entry?.actsOn?.includes(value as ConfigValue) === false;
    if (entry && isInert && JSON.stringify(value) !== JSON.stringify(entry.default))
      out.set(key, `configuration ${key} has no effect here: ${entry.about}`);
    else if (!entry && key.startsWith("rsdat.") && !OWN.some((own) => key.startsWith(`${own}.`))) {
      const nearest = nearestName(key, OWN);
      const hint = nearest === null ? `there are ${OWN.join(", ")}` : `did you mean ${nearest}?`;
      out.set(key, `configuration ${key} is unknown; ${hint}`);
    }
  }
  return out;
}

function* leaves(tree: ConfigTree, above: string): Generator<readonly [key: string, value: unknown]> {
  for (const [name, value] of Object.entries(tree)) {
    const key = `${above}${name.replaceAll("_", "-")}`;
    if (isTree(value) && !SCHEMA[key]) yield* leaves(value, `${key}.`);
    else yield [key, value];
  }
}
