// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("scheduler/index");
export const {
  startScheduler,
} = door;
