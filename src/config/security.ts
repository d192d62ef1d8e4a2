/** Certificates of this process, from Dask's settings: files or texts in PEM form. Source: distributed/security.py. */
import { readFileSync } from "node:fs";
import { ConfigError, type Security, type TlsIdentity } from "../base/index.ts";
import { type Config, config } from "./config.ts";

/** Part that a process plays in a cluster; each has its own certificate. */
export type SecurityRole = "scheduler" | "worker" | "client";

/** Settings that win over the configuration. Certificates and keys are paths, or PEM texts. */
export interface SecurityOptions {
  readonly caFile?: string;
  /** Certificate of this process; its key may be in the same file. */
  readonly cert?: string;
  readonly key?: string;
  readonly ciphers?: string;
  readonly minVersion?: 1.2 | 1.3;
  readonly maxVersion?: 1.2 | 1.3;
  /** Refuse connections that are not encrypted. Default: `distributed.comm.require-encryption`, else true when any option is given. */
  readonly requireEncryption?: boolean;
  /** Name by which the scheduler is asked for (SNI), where it differs from its host. */
  readonly serverName?: string;
}

const TLS = "distributed.comm.tls";
const VERSIONS: Readonly<Record<string, "TLSv1.2" | "TLSv1.3">> = { "1.2": "TLSv1.2", "1.3": "TLSv1.3" };

/**
 * How this process secures its connections.
 * @throws {ConfigError} a file cannot be read, a setting is missing, or a version is neither 1.2 nor 1.3
 */
export function securityFor(role: SecurityRole, options: SecurityOptions = {}, from: Config = config): Security {
  const setting = (given: string | undefined, name: string): string | null => given ?? from.text(`${TLS}.${name}`);
  const ca = setting(options.caFile, "ca-file");
  const cert = setting(options.cert, `${role}.cert`);
  const key = setting(options.key, `${role}.key`);
  const given = Object.values(options).some((value) => value !== undefined);
  const requiresEncryption = options.requireEncryption ?? from.boolean("distributed.comm.require-encryption") ?? given;
  const version = (own: number | undefined, name: string): "TLSv1.2" | "TLSv1.3" | null => {
    const value = own ?? from.number(`${TLS}.${name}`);
    if (value === null) return null;
    const found = VERSIONS[String(value)];
    if (found) return found;
    throw new ConfigError(`configuration ${TLS}.${name} is ${value}, expected 1.2 or 1.3`, { details: { value } });
  };
  const versions = {
    minVersion: version(options.minVersion, "min-version") ?? "TLSv1.2",
    maxVersion: version(options.maxVersion, "max-version"),
  } as const;
  let tls: TlsIdentity | null = null;
  if (ca !== null && cert !== null) {
    const own = pem(cert, `certificate of the ${role}`);
    tls = {
      ca: pem(ca, "certificate authority"),
      cert: own,
      key: key === null ? own : pem(key, `key of the ${role}`),
      ciphers: setting(options.ciphers, "ciphers"),
      ...versions,
      serverName: options.serverName ?? null,
    };
  } else if (requiresEncryption) {
    throw new ConfigError(
      `encryption is required, but ${ca === null ? `${TLS}.ca-file` : `${TLS}.${role}.cert`} is not set: give the authority's certificate, and this process's certificate and key`,
    );
  }
  return { tls, requiresEncryption };
}

/** A text is taken as it is, as Dask does; anything else is a path. */
function pem(source: string, what: string): string {
  if (source.includes("\n")) return source;
  try {
    return readFileSync(source, "utf8");
  } catch (cause) {
    throw new ConfigError(
      `${what}: ${source} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
        details: { file: source },
      },
    );
  }
}
