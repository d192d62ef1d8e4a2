/** Texts of the configuration with names in braces, as `distributed.dashboard.link`. */
import { ConfigError } from "../base/index.ts";

/**
 * `template` with `{name}` replaced by a value, or a variable of the environment.
 * @throws {ConfigError} a name that is neither; `key` says where the template stands
 */
export function fillTemplate(key: string, template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? process.env[name];
    if (value !== undefined) return value;
    throw new ConfigError(
      `${key} is ${JSON.stringify(template)}: {${name}} is none of ${Object.keys(values).join(", ")}, and no variable of the environment`,
      { details: { key, name } },
    );
  });
}
