/** Semaphores and locks (semaphores of one lease) by name; a lease that nobody refreshes ends (Dask's `SemaphoreExtension`). */
import { ArgumentError, type Clock, NotFoundError } from "../../base/index.ts";
import type { Handlers } from "../../comm/index.ts";
import { nameIn, secondsOf, Waiters } from "./waiters.ts";

interface Semaphore {
  readonly max: number;
  /** Seconds after which a lease that was not refreshed ends; null: never. */
  readonly timeout: number | null;
  /** Monotonic milliseconds of the last sign of life, by lease. */
  readonly leases: Map<string, number>;
  readonly waiters: Waiters<true>;
  /** Seconds that leases were waited for, the last ones weighing most. */
  averageWaitSeconds: number;
  acquired: number;
  released: number;
}

/** One semaphore, for people and tools. */
export interface SemaphoreFigures {
  readonly name: string;
  readonly max: number;
  readonly active: number;
  readonly pending: number;
  readonly averageWaitSeconds: number;
  /** Leases taken and given back since it was registered. */
  readonly acquired: number;
  readonly released: number;
}

/** How often leases are looked at, in milliseconds: Dask's `locks.lease-validation-interval`. */
const VALIDATE_MS = 10_000;

/** A table of semaphores: its handlers, and what it holds now. */
export function semaphoreTable(clock: Clock): {
  readonly handlers: Handlers;
  figures(): SemaphoreFigures[];
  close(): void;
} {
  const all = new Map<string, Semaphore>();
  const figures = (): SemaphoreFigures[] =>
    Array.from(all, ([name, { max, leases, waiters, ...rest }]) => ({
      // A name that is a text is told without the quotes under which it is kept.
      name: name.startsWith('"') ? String(JSON.parse(name)) : name,
      max,
      active: leases.size,
      pending: waiters.size,
      averageWaitSeconds: rest.averageWaitSeconds,
      acquired: rest.acquired,
      released: rest.released,
    }));
  const timer = setInterval(() => {
    for (const semaphore of all.values()) expire(semaphore, clock);
  }, VALIDATE_MS).unref();
  return { handlers: semaphoreHandlers(clock, all), figures, close: () => clearInterval(timer) };
}

function free(semaphore: Semaphore, lease: string): void {
  if (!semaphore.leases.delete(lease)) return;
  semaphore.released++;
  semaphore.waiters.give(true);
}

function expire(semaphore: Semaphore, clock: Clock): void {
  const { timeout } = semaphore;
  if (timeout === null) return;
  for (const [lease, seen] of [...semaphore.leases]) if (clock.now() - seen > timeout * 1000) free(semaphore, lease);
}

function semaphoreHandlers(clock: Clock, all: Map<string, Semaphore>): Handlers {
  const find = (request: ReadonlyMap<unknown, unknown>): Semaphore => {
    const found = all.get(nameIn(request));
    if (!found) throw unknown(request);
    return found;
  };
  return {
    semaphore_register: (request) => {
      const [name, max, timeout] = [nameIn(request), request.get("max_leases"), request.get("lease_timeout")];
      if (typeof max !== "number" || !Number.isInteger(max) || max < 1)
        throw new ArgumentError(`max_leases ${String(max)} of ${name}: expected a positive integer`);
      const known = all.get(name);
      if (known && known.max !== max)
        throw new ArgumentError(`Inconsistent max leases: ${max}, expected: ${known.max}`);
      if (!known)
        all.set(name, {
          max,
          timeout: typeof timeout === "number" ? timeout : null,
          leases: new Map(),
          waiters: new Waiters(),
          averageWaitSeconds: 0,
          acquired: 0,
          released: 0,
        });
      return null;
    },
    semaphore_acquire: async (request, comm) => {
      const semaphore = find(request);
      const lease = String(request.get("lease_id"));
      const seconds = secondsOf(request);
      const began = clock.now();
      const until = seconds === null ? Number.POSITIVE_INFINITY : clock.now() + seconds * 1000;
      for (;;) {
        expire(semaphore, clock);
        if (semaphore.leases.has(lease) || semaphore.leases.size < semaphore.max) {
          if (!semaphore.leases.has(lease)) taken(semaphore, (clock.now() - began) / 1000);
          semaphore.leases.set(lease, clock.now());
          return true;
        }
        const left = (until - clock.now()) / 1000;
        if (left <= 0) return false;
        await semaphore.waiters.wait(Number.isFinite(left) ? left : null, comm);
      }
    },
    semaphore_release: (request) => {
      const semaphore = all.get(nameIn(request));
      if (semaphore) free(semaphore, String(request.get("lease_id")));
      return null;
    },
    semaphore_refresh_leases: (request) => {
      const semaphore = find(request);
      const leases = request.get("lease_ids");
      for (const lease of Array.isArray(leases) ? leases : []) semaphore.leases.set(String(lease), clock.now());
      return null;
    },
    semaphore_value: (request) => all.get(nameIn(request))?.leases.size ?? 0,
    semaphore_close: (request) => {
      all.get(nameIn(request))?.waiters.end(unknown(request));
      all.delete(nameIn(request));
      return null;
    },
  };
}

function unknown(request: ReadonlyMap<unknown, unknown>): Error {
  return new NotFoundError(`Semaphore or Lock ${nameIn(request)} not known`);
}

/** Dask weighs the last wait and the mean before it alike. */
function taken(semaphore: Semaphore, waitedSeconds: number): void {
  semaphore.acquired++;
  semaphore.averageWaitSeconds = (semaphore.averageWaitSeconds + waitedSeconds) / 2;
}
