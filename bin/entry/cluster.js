// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
export const {
  BatchJob,
  LocalCluster,
  SlurmCluster,
  batchScript,
  slurmWishes,
  submitBatch,
} = await load("cluster/index");
