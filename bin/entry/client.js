// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("client/index");
export const {
  AsCompleted,
  Client,
  Event,
  Future,
  Lock,
  PyFunction,
  Queue,
  Semaphore,
  Variable,
  asCompleted,
  fireAndForget,
  futuresOf,
  kernels,
  py,
  wait,
} = door;
