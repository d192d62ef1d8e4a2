/** Where a client connects to: an address, a file, a cluster, or one that is started for it on this machine. */
import { readFileSync } from "node:fs";
import { ArgumentError, type Logger, type OptionNames, requireKnownOptions, shownValue } from "../base/index.ts";
import { config, readToken, type SecurityOptions } from "../config/index.ts";
import { type LocalClusterWish, startLocalCluster } from "../graph/index.ts";
import { calledAddress, normalizeAddress } from "../protocol/index.ts";
import type { ClusterHandle } from "./cluster-handle.ts";

/** Where the scheduler is, or how many workers to start on this machine. */
export type ClientTarget =
  | string
  | ClusterHandle
  | { readonly schedulerFile: string }
  | { readonly cluster: ClusterHandle }
  | LocalClusterWish;

/** How to connect. */
export interface ClientOptions {
  /** Time to connect, e.g. "30s" or seconds. Default `distributed.comm.timeouts.connect`. */
  readonly timeout?: string | number;
  /** File with the cluster's token; default the cluster's own, else `RSDAT_TOKEN_FILE`. */
  readonly tokenFile?: string;
  /** First part of the client's id. */
  readonly name?: string;
  /** False: not the current runner. Default true. */
  readonly setAsDefault?: boolean;
  /** False: pure Dask on the wire. Default: the environment's `RSDAT_DIALECT`. */
  readonly dialect?: boolean;
  /** Certificates for a scheduler at a `tls://` address. Default: those of the configuration, `distributed.comm.tls`. */
  readonly security?: SecurityOptions;
  readonly logger?: Logger;
}

const OPTIONS: OptionNames<ClientOptions> = {
  timeout: true,
  tokenFile: true,
  name: true,
  setAsDefault: true,
  dialect: true,
  security: true,
  logger: true,
};

/** What a target comes down to. */
export interface Located {
  readonly address: string;
  readonly token: string | null;
  readonly cluster?: ClusterHandle;
  /** True: it was started for this client, and ends with it. */
  readonly isOwn: boolean;
}

/**
 * The address and token of a target; without one those that the configuration names, else a cluster that is started now.
 * @throws {ArgumentError} an unreadable address or scheduler file, or an unknown option
 * @throws {WorkerStartError} the processes do not start
 */
export async function locate(
  target: ClientTarget | undefined,
  options: ClientOptions,
  scheme: "tcp" | "tls",
): Promise<Located> {
  requireKnownOptions("Client.connect", options, OPTIONS);
  const token = (own: string | null): string | null =>
    options.tokenFile === undefined && own !== null ? own : readToken(options.tokenFile);
  const at = (address: string): Located => ({
    address: calledAddress(address, scheme),
    token: token(null),
    isOwn: false,
  });
  const of = (cluster: ClusterHandle, isOwn: boolean): Located => ({
    address: normalizeAddress(cluster.schedulerAddress),
    token: token(cluster.token),
    cluster,
    isOwn,
  });
  if (typeof target === "string") return at(target);
  if (target !== undefined && (typeof target !== "object" || target === null))
    throw new ArgumentError(
      `Client.connect to ${shownValue(target)}: expected an address, a cluster, { schedulerFile } or { nWorkers }`,
    );
  if (target && "schedulerFile" in target) return { ...at(addressInFile(target.schedulerFile)) };
  if (target && "cluster" in target) {
    if (typeof (target.cluster as Partial<ClusterHandle> | null | undefined)?.schedulerAddress !== "string")
      throw new ArgumentError(`Client.connect: cluster ${shownValue(target.cluster)} is none`);
    return of(target.cluster, false);
  }
  if (target && "schedulerAddress" in target) return of(target, false);
  if (!target) {
    const address = config.get("scheduler-address", null);
    if (typeof address === "string") return at(address);
    const file = config.get("scheduler-file", null);
    if (typeof file === "string") return at(addressInFile(file));
  }
  return of(await startLocalCluster(target ?? {}), true);
}

function addressInFile(file: string): string {
  let address: unknown;
  try {
    address = (JSON.parse(readFileSync(file, "utf8")) as { address?: unknown }).address;
  } catch (cause) {
    throw new ArgumentError(
      `scheduler file ${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, details: { file } },
    );
  }
  if (typeof address !== "string")
    throw new ArgumentError(`scheduler file ${file} names no address; expected {"address": "tcp://host:port"}`, {
      details: { file },
    });
  return normalizeAddress(address);
}
