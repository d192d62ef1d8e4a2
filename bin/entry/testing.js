// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
export const {
  SimCluster,
  VirtualTime,
  leastBytes,
  simValue,
  startWithoutAdmission,
  useThreadsWithoutAdmission,
} = await load("testing/index");
