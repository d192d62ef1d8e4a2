/** `rsdat config`: what `dask config` shows and changes, on the same files. */
import { Command } from "commander";
import { stringify } from "yaml";
import { ConfigError } from "../base/index.ts";
import {
  type ConfigValue,
  config,
  filesWith,
  interpretValue,
  SCHEMA,
  saveSetting,
  searchedPaths,
} from "../config/index.ts";

/** The command, ready to be added. */
export function configCommand(): Command {
  const command = new Command("config").description("Show and change the configuration, which Dask shares");
  command
    .command("get")
    .description("print the value of a key, or a section as YAML")
    .argument("<key>")
    .action((key: string) => print(config.get(key)));
  command
    .command("set")
    .description("write a key into the file that says it already, else into dask.yaml of your own")
    .argument("<key>")
    .argument("<value>", "as a Python literal; anything else is text")
    .option("--file <file>", "the file to write")
    .action((key: string, text: string, { file }: { readonly file?: string }) => {
      const value = interpretValue(text);
      checkKey(key);
      checkValue(key, value);
      process.stdout.write(
        `Updated [${key}] to [${shown(value)}], config saved to ${saveSetting(key, value, { file })}\n`,
      );
    });
  command
    .command("find")
    .description("print which files say a key, and what")
    .argument("<key>")
    .action((key: string) => {
      const found = filesWith(key);
      const lines =
        found.length > 0
          ? [`Found [${key}] in the following files:`, ...found.map((f) => `${f.file}  [${key}=${shown(f.value)}]`)]
          : [`Unable to find [${key}] in any of the following paths:`, ...searchedPaths()];
      process.stdout.write(`${lines.join("\n")}\n`);
    });
  command
    .command("list")
    .description("print everything as YAML; with --keys what each key of ours and Dask's means here")
    .option("--keys", "keys, defaults and meanings instead of values")
    .action(({ keys }: { readonly keys?: boolean }) => {
      if (!keys) return print(config.all());
      for (const [key, entry] of Object.entries(SCHEMA)) {
        const effect = entry.isInert ? "no effect here: " : "";
        process.stdout.write(`${key} (${entry.kind}, ${shown(entry.default)}): ${effect}${entry.about}\n`);
      }
    });
  return command;
}

/** A misspelt key of ours would be written, and mean nothing. */
function checkKey(key: string): void {
  const name = key.replaceAll("_", "-");
  if (!name.startsWith("rsdat.") || SCHEMA[name]) return;
  const own = Object.keys(SCHEMA).filter((known) => known.startsWith("rsdat."));
  throw new ConfigError(`configuration ${key} is unknown; there are ${own.join(", ")}`);
}

/** A size or a duration that cannot be read would be written, and end every run. @throws {ConfigError} it cannot */
function checkValue(key: string, value: ConfigValue): void {
  const kind = SCHEMA[key.replaceAll("_", "-")]?.kind;
  using _ = config.set({ [key]: value });
  if (kind === "bytes") config.bytes(key);
  else if (kind === "duration") config.durationMs(key);
}

function shown(value: ConfigValue): string {
  if (value === null) return "None";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function print(value: ConfigValue): void {
  const text = typeof value === "object" && value !== null ? stringify(value) : `${shown(value)}\n`;
  process.stdout.write(text);
}
