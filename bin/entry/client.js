// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("client/index");
export const {
  Client,
  Event,
  Future,
  Lock,
  PyFunction,
  Queue,
  Semaphore,
  Variable,
  asCompleted,
  py,
  wait,
} = door;
