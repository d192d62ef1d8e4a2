/** Before any test: a home without the user's configuration, and what peers there are, for every test file. */
import type { TestProject } from "vitest/node";
import { findPeers } from "./find-peers.ts";
import { enterOwnHome } from "./own-home.ts";

export default function setup(project: TestProject): () => void {
  const leave = enterOwnHome();
  project.provide("peers", findPeers());
  return leave;
}
