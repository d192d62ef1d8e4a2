import { configDefaults, defineConfig, type TestProjectInlineConfiguration, type ViteUserConfig } from "vitest/config";

/**
 * Test projects. `unit` takes whatever no other project claims, so a new room needs no entry here.
 * Projects that start processes or bind ports run one file at a time; a project's own timeout is its bound.
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
  /** Files one after another: they share ports, cores or a cluster. */
  readonly serial?: boolean;
}

function project({
  name,
  include,
  exclude = [],
  timeoutMs,
  serial = false,
}: ProjectOptions): TestProjectInlineConfiguration {
  return {
    test: {
      name,
      include,
      exclude: [...configDefaults.exclude, ...exclude],
      environment: "node",
      pool: "forks",
      fileParallelism: !serial,
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
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
      project({ name: "unit", include: ["test/**/*.test.ts"], exclude: OTHERS, timeoutMs: 20_000 }),
      project({ name: "tidy", include: ["test/tidy.test.ts"], timeoutMs: 10_000 }),
      project({ name: "sim", include: ["test/sim/**/*.{sim,test}.ts"], timeoutMs: 120_000 }),
      project({ name: "interop", include: ["test/interop/**/*.test.ts"], timeoutMs: 120_000, serial: true }),
      project({ name: "e2e", include: ["test/e2e/**/*.test.ts"], timeoutMs: 240_000, serial: true }),
      project({ name: "slurm", include: ["test/slurm/**/*.test.ts"], timeoutMs: 240_000, serial: true }),
      project({ name: "package", include: ["test/package/**/*.test.ts"], timeoutMs: 300_000, serial: true }),
      project({ name: "long", include: ["test/long/**/*.test.ts"], timeoutMs: 1_800_000, serial: true }),
    ],
  },
});

export default config;
