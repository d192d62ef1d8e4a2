// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("worker/index");
export const {
  NannyPlugins,
  Worker,
  runNanny,
  runWorkerProcess,
  staggeredMs,
} = door;
