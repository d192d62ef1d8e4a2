// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
export const {
  LocalCluster,
} = await load("cluster/index");
