// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("testing/index");
export const {
  SimCluster,
  VirtualTime,
  leastBytes,
  simDoomed,
  simValue,
  startWithoutAdmission,
  useThreadsWithoutAdmission,
} = door;
