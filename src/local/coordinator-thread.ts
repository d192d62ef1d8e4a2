/** Entry of the coordinator's thread. */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../base/index.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorOptions, ToCoordinator } from "./messages.ts";

const port = parentPort;
invariant(port, "a coordinator's thread has a parent");
const coordinator = new Coordinator(workerData as CoordinatorOptions, (messages, transfer) =>
  port.postMessage(messages, transfer),
); // given by the runner
port.on("message", (message: ToCoordinator) => coordinator.handle(message));
