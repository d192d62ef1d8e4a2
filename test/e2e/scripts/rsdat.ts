// What the scripts here use of the package.
export * as array from "../../../src/array/index.ts";
export { Client, py } from "../../../src/client/index.ts";
export { LocalCluster } from "../../../src/cluster/index.ts";
