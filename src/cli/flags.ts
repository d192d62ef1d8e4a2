/** Reading flags that several commands share. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { ArgumentError, type Security, UnsupportedError } from "../base/index.ts";
import { levelOf, type SecurityRole, securityFor } from "../config/index.ts";

/** A whole number, or undefined where there is no text. @throws {ArgumentError} the text is none */
export function wholeNumber(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const n = Number(text);
  if (text.trim() === "" || !Number.isInteger(n) || n < 0)
    throw new ArgumentError(`${flag} ${JSON.stringify(text)} is not a whole number`);
  return n;
}

/** The port of `:8787` or `host:8787`, or undefined where there is no text. @throws {ArgumentError} the text names none */
export function dashboardPort(address: string | undefined): number | undefined {
  if (address === undefined) return undefined;
  const port = /^(?:.*:)?(\d{1,5})$/.exec(address)?.[1];
  if (port === undefined || Number(port) > 65535)
    throw new ArgumentError(`--dashboard-address ${JSON.stringify(address)} names no port; expected e.g. ":8787"`);
  return Number(port);
}

/** Write this process's id into a file, until the process ends. */
export function writePidFile(file: string): void {
  writeFileSync(file, `${process.pid}\n`);
  process.once("exit", () => rmSync(file, { force: true }));
}

/** Address in a scheduler file. @throws {ArgumentError} it cannot be read or names none */
export function addressInFile(file: string): string {
  let address: unknown;
  try {
    address = (JSON.parse(readFileSync(file, "utf8")) as { address?: unknown }).address;
  } catch (cause) {
    throw new ArgumentError(
      `scheduler file ${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  if (typeof address !== "string") throw new ArgumentError(`scheduler file ${file} names no address`);
  return address;
}

/** Flags that scheduler and worker have in common. */
export interface ServerFlags {
  readonly protocol?: string;
  readonly tlsCaFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly schedulerSni?: string;
  readonly preload?: readonly string[];
  readonly logLevel?: string;
  readonly [name: string]: unknown;
}

/** Add them to a command. */
export function withServerFlags(command: Command): Command {
  const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
  return command
    .addOption(
      new Option("--protocol <protocol>", "tcp, or tls with certificates").choices(["tcp", "tcp://", "tls", "tls://"]),
    )
    .option("--tls-ca-file <file>", "certificates of the cluster's authority, PEM")
    .option("--tls-cert <file>", "certificate of this process, PEM")
    .option("--tls-key <file>", "its key, where it is not in the same file")
    .option("--preload <module>", "module to import first; its setup() is called; may be repeated", several)
    .option("--log-level <level>", "debug, info, warning or error; default RSDAT_LOG, else info");
}

/** Certificates from flags, else from the configuration. @throws {ConfigError} they cannot be read */
export function securityOf(role: SecurityRole, flags: ServerFlags): Security {
  const { tlsCaFile, tlsCert, tlsKey, schedulerSni, protocol } = flags;
  const isTls = protocol?.startsWith("tls") === true;
  return securityFor(role, {
    ...(tlsCaFile === undefined ? {} : { caFile: tlsCaFile }),
    ...(tlsCert === undefined ? {} : { cert: tlsCert }),
    ...(tlsKey === undefined ? {} : { key: tlsKey }),
    ...(schedulerSni === undefined ? {} : { serverName: schedulerSni, requireEncryption: true }),
    ...(isTls ? { requireEncryption: true } : {}),
  });
}

/** Make a wish for a level count for this process and those that it starts. @throws {ConfigError} it is no level */
export function applyLogLevel({ logLevel }: ServerFlags): void {
  if (logLevel !== undefined) process.env["RSDAT_LOG"] = levelOf(logLevel);
}

/** Flags of Dask's that cannot be honoured, as commander spells them, and what to do instead. */
export type Refusals = Readonly<Record<string, readonly [flag: string, hint: string]>>;

/** Add them, hidden, so that they are known. */
export function withRefused(command: Command, refusals: Refusals): Command {
  for (const [flag] of Object.values(refusals)) command.addOption(new Option(flag).hideHelp());
  return command;
}

/** @throws {UnsupportedError} one of them is given */
export function refuse(flags: Readonly<Record<string, unknown>>, refusals: Refusals): void {
  for (const [name, [flag, hint]] of Object.entries(refusals)) {
    const value = flags[name];
    if (value !== undefined && value !== false)
      throw new UnsupportedError(`${flag.split(" ")[0]}: ${hint}`, { details: { flag } });
  }
}
