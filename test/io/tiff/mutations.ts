/** Sound TIFFs with bytes changed or cut off, read one after another: what came of each. */
import { isRsdatError, seededRandom } from "../../../src/base/index.ts";
import { openStore, openTiff, planRead } from "../../../src/io/index.ts";
import { writeCog } from "../cog/support.ts";
import { makeTiff, readAll, soundFields, whole } from "./support.ts";

/** How many, and from which seed. */
export interface Mutations {
  readonly count: number;
  readonly seed: number;
}

/**
 * Times each outcome came (`read`, `large`, or the code of a typed error); what took over a second of the processor; what was
 * no typed error.
 */
export interface MutationReport {
  readonly outcomes: ReadonlyMap<string, number>;
  readonly slow: readonly string[];
  readonly untyped: readonly string[];
}

/** A small COG: two levels, deflate, predictor 2. */
function smallCog(bigtiff: boolean): Uint8Array {
  const facts = { dtype: "int16", shape: [70, 100], blocksize: 64, key: "00000000", nodata: -1 } as const;
  const place = { crs: { epsg: 32631 }, transform: [10, 0, 0, 0, -10, 0] } as const;
  return writeCog({ url: "unwritten.tif", bigtiff, ...facts, ...place }, (i) => (i * 7) % 1000);
}

/** Elements that a test is willing to allocate for one block. */
const ELEMENTS_MAX = 2 ** 22;
const HEADER_BYTES = 900;

/** Read `count` mutated files; one in six is also cut off. */
export async function readMutations({ count, seed }: Mutations): Promise<MutationReport> {
  const random = seededRandom(seed);
  const sources = [smallCog(false), smallCog(true), makeTiff([soundFields(8)])];
  const store = openStore("memory://mutations/");
  const [outcomes, slow, untyped] = [new Map<string, number>(), [] as string[], [] as string[]];
  for (let n = 0; n < count; n++) {
    const bytes = sources[n % sources.length]!.slice();
    for (let k = random.below(4) + 1; k > 0; k--) {
      const reach = random.below(5) === 0 ? bytes.length : Math.min(bytes.length, HEADER_BYTES);
      bytes[random.below(reach)] = random.below(4) === 0 ? 255 : random.below(256);
    }
    const cut = random.below(6) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes;
    await store.write("a.tif", [cut]);
    const began = process.cpuUsage(); // a clock would also count the pauses of a shared machine
    const name = await readOne("memory://mutations/a.tif");
    const { user, system } = process.cpuUsage(began);
    const ms = (user + system) / 1000;
    outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
    if (ms > 1000) slow.push(`mutation ${n} of seed ${seed}: ${ms} ms, ${name}`);
    if (name.startsWith("untyped")) untyped.push(`mutation ${n} of seed ${seed}: ${name}`);
  }
  return { outcomes, slow, untyped };
}

async function readOne(url: string): Promise<string> {
  try {
    const source = (await openTiff(url)).source("all");
    // A block that large is the caller's decision; planning costs what the tiles are, so one corner will do.
    const isLarge = source.shape.reduce((a, b) => a * b, 1) > ELEMENTS_MAX;
    planRead(source, isLarge ? source.shape.map(() => ({ start: 0, stop: 1 })) : whole(source));
    if (isLarge) return "large";
    readAll(source);
    return "read";
  } catch (e) {
    return isRsdatError(e) ? e.code : `untyped: ${String(e)}`;
  }
}
