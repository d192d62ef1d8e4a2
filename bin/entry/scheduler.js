// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
export const {
  startScheduler,
} = await load("scheduler/index");
