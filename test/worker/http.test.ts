/** A worker's pages for machines. */
import { Server } from "node:http";
import { expect, test, vi } from "vitest";
import { serveWorkerHttp } from "../../src/worker/http.ts";
import type { Worker } from "../../src/worker/index.ts";

test("outlive connections that cannot be accepted", async () => {
  const listens = vi.spyOn(Server.prototype, "listen");
  const pages = await serveWorkerHttp({} as Worker, { host: "127.0.0.1", port: 0 }); // no page asks it for anything
  const server = listens.mock.contexts[0] as Server;
  listens.mockRestore();
  // As Node tells that no descriptor is left.
  for (let times = 0; times < 3; times++) server.emit("error", new Error("accept EMFILE"));
  expect(await (await fetch(`http://127.0.0.1:${pages.port}/health`)).text()).toBe("ok");
  pages.close();
});
