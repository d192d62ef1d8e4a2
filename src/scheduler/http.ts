/** Pages for machines: `/health`, `/metrics`, `/json/counts.json`, `/json/identity.json`. */
import { createServer } from "node:http";
import type { Hub } from "./hub.ts";
import { identityOf } from "./identity.ts";
import { metricsText } from "./metrics.ts";
import type { RequestContext } from "./requests.ts";

/** Serve on `port` of `host`; port 0 chooses one. */
export async function serveHttp(
  context: RequestContext,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const page = pageOf(context, request.url?.split("?")[0] ?? "/");
    response.writeHead(page ? 200 : 404, { "content-type": page?.startsWith("{") ? "application/json" : "text/plain" });
    response.end(page ?? "not found\n");
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  await promise;
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound ? bound.port : port,
    close: () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      return closed.promise;
    },
  };
}

function pageOf(context: RequestContext, path: string): string | null {
  if (path === "/health") return "ok";
  if (path === "/metrics") return metricsText(context.hub.machine.views, context.wallSeconds());
  if (path === "/json/counts.json") return JSON.stringify(counts(context.hub));
  if (path === "/json/identity.json") return JSON.stringify(identityOf(context, -1), plainMaps);
  return null;
}

/** Names as in Dask's page of the same address. */
function counts(hub: Hub): Record<string, number> {
  const { tasks, workers, clients, sent, recomputed, stolen } = hub.machine.views.counts();
  const views = hub.machine.views.workers();
  return {
    bytes: views.reduce((sum, view) => sum + view.heldBytes, 0),
    clients,
    cores: views.reduce((sum, view) => sum + view.facts.nthreads, 0),
    erred: tasks.erred,
    processing: tasks.processing,
    released: tasks.released,
    memory: tasks.memory,
    queued: tasks.queued,
    unrunnable: tasks["no-worker"],
    waiting: tasks.waiting,
    tasks: Object.values(tasks).reduce((sum, count) => sum + count, 0),
    workers,
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
