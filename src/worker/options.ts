/** How a worker is to be. */
import type { Clock, Logger, Security } from "../base/index.ts";
import type { Executor } from "../executor/index.ts";
import type { Trust } from "./run-task.ts";

/** How a worker is to be; sizes in bytes. */
export interface WorkerOptions extends Partial<Trust> {
  /** Address of the scheduler. */
  readonly scheduler: string;
  /** Compute threads. Default: the CPUs allotted. */
  readonly nthreads?: number;
  /** Bytes this process may take. Default: `rsdat.memory-limit`. */
  readonly memoryLimitBytes?: number;
  /** Runs the tasks; default one of `nthreads` threads, within the memory limit. The worker owns it and closes it. */
  readonly executor?: Executor;
  /** Default: the address. */
  readonly name?: string;
  /** Host to listen on; default: the one that this machine has on the way to the scheduler. */
  readonly host?: string;
  /** Port to listen on; default: any. */
  readonly port?: number;
  /** Address that peers shall use, where it differs. */
  readonly contactAddress?: string;
  readonly localDirectory?: string;
  readonly resources?: ReadonlyMap<string, number>;
  /** Give up when the scheduler has not answered for this long. Default 60 s. */
  readonly deathTimeoutMs?: number;
  readonly nanny?: string;
  /** More facts for `extra` of the registration. */
  readonly extra?: ReadonlyMap<string, unknown>;
  /** False: pure Dask on the wire. Default: the environment's `RSDAT_DIALECT`. */
  readonly dialect?: boolean;
  /** Certificates. Default: those of the configuration, `distributed.comm.tls`. */
  readonly security?: Security;
  readonly logger?: Logger;
  readonly clock?: Clock;
}
