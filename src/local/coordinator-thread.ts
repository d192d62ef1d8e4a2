/** Entry of the coordinator's thread. */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../base/index.ts";
import { prepareFor, Relief } from "../executor/index.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorOptions, ToCoordinator } from "./messages.ts";

const port = parentPort;
invariant(port, "a coordinator's thread has a parent");
const options = workerData as CoordinatorOptions; // given by the runner
const coordinator = new Coordinator(options, (messages, transfer) => port.postMessage(messages, transfer));
prepareFor(options.limitBytes);
// V8 lets a heap grow to several times of what lives in it; what ended tasks have left is in the way of blocks.
const relief = new Relief(options, () => coordinator.isBusy);
port.once("close", () => relief[Symbol.dispose]());
port.on("message", (message: ToCoordinator) => coordinator.handle(message));
