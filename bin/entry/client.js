// Written by `npm run doors`; do not edit.
import { load } from "../load.js";

await load("register");
const door = await load("client/index");
export const {
  Client,
  Future,
  PyFunction,
  asCompleted,
  py,
  wait,
} = door;
