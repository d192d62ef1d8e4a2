// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("cluster/index");
export const {
  Adaptive,
  BatchJob,
  LocalCluster,
  SlurmCluster,
  batchScript,
  slurmWishes,
  submitBatch,
} = door;
