// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
export const {
  Client,
  Future,
  PyFunction,
  asCompleted,
  py,
  wait,
} = await load("client/index");
