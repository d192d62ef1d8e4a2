/** Looks for the peers once per run and hands what it found to every test file. */
import type { TestProject } from "vitest/node";
import { findPeers } from "./find-peers.ts";

export default function setup(project: TestProject): void {
  project.provide("peers", findPeers());
}
