/** Pages for machines: `/health`, `/metrics`, `/json/counts.json`, `/json/identity.json`. */
import { createServer, type Server } from "node:http";
import { errorToRecord } from "../base/index.ts";
import { desiredWorkers } from "./adaptive.ts";
import type { Hub } from "./hub.ts";
import { identityOf } from "./identity.ts";
import { metricsText, saturationOf } from "./metrics.ts";
import type { RequestContext } from "./requests.ts";
import { type PageGroup, pageGroups } from "./settings.ts";

/** Serve on `port` of `host`, or, as Dask does, on a free one where somebody else has that; port 0 chooses one. */
export async function serveHttp(
  context: RequestContext,
  { host, port, prefix }: { readonly host: string; readonly port: number; readonly prefix: string },
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const groups = pageGroups();
  const above = prefix.replace(/^\/*|\/*$/g, "");
  const server = createServer((request, response) => {
    const path = request.url?.split("?")[0] ?? "/";
    const inner = above !== "" && path.startsWith(`/${above}/`) ? path.slice(above.length + 1) : path;
    let page: string | null;
    try {
      page = pageOf(context, inner, groups);
    } catch (error) {
      // What is thrown in here ends the process: a setting that is read for a page may be wrong.
      const why = errorToRecord(error).message;
      context.hub.logger.warning(`page ${inner} cannot be made: ${why}`);
      response.writeHead(500, { "content-type": "text/plain" });
      response.end(`${why}\n`);
      return;
    }
    response.writeHead(page ? 200 : 404, { "content-type": page?.startsWith("{") ? "application/json" : "text/plain" });
    response.end(page ?? "not found\n");
  });
  try {
    await begin(server, host, port);
  } catch (error) {
    if (port === 0 || !(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    await begin(server, host, 0);
    const { logger } = context.hub;
    logger.warning(
      `port ${port} of ${host} is taken (--dashboard-address): pages are on port ${portOf(server)} instead`,
    );
  }
  // An accept that fails must not end the scheduler; whoever asks for a page asks again.
  server.on("error", () => undefined);
  return {
    port: portOf(server),
    close: () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      return closed.promise;
    },
  };
}

function begin(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, () => {
    server.off("error", reject);
    resolve();
  });
  return promise;
}

function portOf(server: Server): number {
  const bound = server.address();
  return typeof bound === "object" && bound ? bound.port : 0;
}

function pageOf(context: RequestContext, path: string, groups: ReadonlySet<PageGroup>): string | null {
  if (path === "/health" && groups.has("health")) return "ok";
  if (path === "/metrics" && groups.has("prometheus")) return metricsText(context);
  if (path === "/json/counts.json" && groups.has("json")) return JSON.stringify(countsPage(context.hub));
  if (path === "/json/identity.json" && groups.has("json")) return JSON.stringify(identityOf(context, -1), plainMaps);
  return null;
}

/** Names as in Dask's page of the same address, and some of our own. */
function countsPage(hub: Hub): Record<string, number> {
  const { views } = hub.machine;
  const { tasks, workers, clients, sent, recomputed, stolen } = views.counts();
  const all = views.workers();
  const { idle, saturated } = saturationOf(all);
  return {
    bytes: all.reduce((sum, view) => sum + view.heldBytes, 0),
    clients,
    cores: all.reduce((sum, view) => sum + view.facts.nthreads, 0),
    erred: tasks.erred,
    hosts: new Set(Array.from(hub.workers.values(), (worker) => worker.info.get("host"))).size,
    idle,
    memory: tasks.memory,
    processing: tasks.processing,
    released: tasks.released,
    saturated,
    tasks: Object.values(tasks).reduce((sum, count) => sum + count, 0),
    unrunnable: tasks["no-worker"],
    waiting: tasks.waiting,
    waiting_data: all.reduce((sum, view) => sum + view.inMemory, 0),
    workers,
    desired_workers: desiredWorkers(hub),
    queued: tasks.queued,
    sent,
    recomputed,
    stolen,
  };
}

function plainMaps(_name: string, value: unknown): unknown {
  if (value instanceof Map)
    return Object.fromEntries(Array.from(value, ([key, item]) => [String(key), item as unknown]));
  return typeof value === "bigint" ? Number(value) : value;
}
