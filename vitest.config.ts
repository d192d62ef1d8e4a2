import { configDefaults, defineConfig, type TestProjectInlineConfiguration, type ViteUserConfig } from "vitest/config";

/**
 * Test projects. `unit` takes whatever no other project claims, so a new room needs no entry here.
 * Projects that start processes or bind ports run one file at a time, one project after another; a project's own timeout is its bound.
 */
const OTHERS = [
  "test/tidy.test.ts",
  "test/sim/**",
  "test/interop/**",
  "test/e2e/**",
  "test/slurm/**",
  "test/package/**",
  "test/long/**",
];

interface ProjectOptions {
  readonly name: string;
  readonly include: string[];
  readonly exclude?: readonly string[];
  readonly timeoutMs: number;
  /**
   * Files one after another, once all projects of lower turn are through: they share ports, cores or a cluster.
   * 0: alongside others.
   */
  readonly turn?: number;
  /** The project's tests wait for real processes: see {@link SECOND_ATTEMPT}. */
  readonly isProcesses?: boolean;
}

/** A machine that others share stands still at times: in continuous integration, timeouts are bounds and no measure. */
const PATIENCE = process.env["CI"] ? 3 : 1;

/** How long `expect.poll` waits for what a test expects to come about soon. Vitest's own second is less than some machines' pauses. */
const POLL_MS = 15_000;

/**
 * In continuous integration a failed test of real processes is tried once more, and the run's end names it with its
 * first error (`test/reporters/peers.ts`; too many of them fail the run). Tests in one process get no second attempt:
 * what a random seed finds there is a fault.
 */
const SECOND_ATTEMPT = process.env["CI"] ? 1 : 0;

function project({
  name,
  include,
  exclude = [],
  timeoutMs,
  turn = 0,
  isProcesses = false,
}: ProjectOptions): TestProjectInlineConfiguration {
  return {
    test: {
      name,
      include,
      exclude: [...configDefaults.exclude, ...exclude],
      environment: "node",
      pool: "forks",
      fileParallelism: turn === 0,
      sequence: { groupOrder: turn },
      testTimeout: timeoutMs * PATIENCE,
      hookTimeout: timeoutMs * PATIENCE,
      expect: { poll: { timeout: Math.min(POLL_MS, timeoutMs / 2) * PATIENCE } },
      retry: isProcesses ? SECOND_ATTEMPT : 0,
    },
  };
}

const config: ViteUserConfig = defineConfig({
  test: {
    globalSetup: ["test/global-setup.ts"],
    reporters: ["default", "./test/reporters/peers.ts"],
    maxWorkers: 2,
    passWithNoTests: false,
    projects: [
      project({ name: "unit", include: ["test/**/*.test.ts"], exclude: OTHERS, timeoutMs: 40_000 }),
      project({ name: "tidy", include: ["test/tidy.test.ts"], timeoutMs: 40_000 }),
      project({ name: "sim", include: ["test/sim/**/*.{sim,test}.ts"], timeoutMs: 120_000 }),
      project({
        name: "interop",
        include: ["test/interop/**/*.test.ts"],
        timeoutMs: 120_000,
        turn: 1,
        isProcesses: true,
      }),
      project({ name: "e2e", include: ["test/e2e/**/*.test.ts"], timeoutMs: 240_000, turn: 2, isProcesses: true }),
      project({ name: "slurm", include: ["test/slurm/**/*.test.ts"], timeoutMs: 240_000, turn: 3, isProcesses: true }),
      project({ name: "package", include: ["test/package/**/*.test.ts"], timeoutMs: 300_000, turn: 4 }),
      project({ name: "long", include: ["test/long/**/*.test.ts"], timeoutMs: 1_800_000, turn: 5 }),
    ],
  },
});

export default config;
