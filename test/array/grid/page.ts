/** docs/compatibility.md: every function of dask.array's list, whether it is here, and how many cases hold it to NumPy. */
import { readFileSync } from "node:fs";
import * as namespace from "../../../src/array/index.ts";
import { casesOf, lookUp } from "./cases.ts";
import type { Row } from "./row.ts";
import { FAMILIES } from "./rows.ts";

/** A function's names, the first as NumPy has it. */
type Names = readonly string[];

const { tiers } = JSON.parse(readFileSync(new URL("./fixtures/names.json", import.meta.url), "utf8")) as {
  readonly tiers: Readonly<Record<"1" | "2" | "3", readonly Names[]>>;
};
const special = JSON.parse(
  readFileSync(new URL("../../array-api/fixtures/special_cases.json", import.meta.url), "utf8"),
) as {
  readonly version: string;
  readonly commit: string;
  readonly sentencesLeftOut: number;
  readonly cases: Readonly<Record<string, readonly unknown[]>>;
};

/** Functions that are here and have no row in the grid: where their oracle is. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  registerChunkType: "refused: blocks are `NDArray`s on every worker",
};

interface Counted {
  readonly row: Row;
  /** Comparisons in the unit tests, and of the whole product in the long run. */
  readonly cases: number;
  readonly all: number;
}

const ROWS: ReadonlyMap<string, Counted> = new Map(
  FAMILIES.flatMap(([rows, inputs]) =>
    rows.map((row) => [
      row.name,
      { row, cases: casesOf(row, { inputs }).length, all: casesOf(row, { inputs: "all" }).length },
    ]),
  ),
);

/** Names of a tier that the namespace lacks, or that no comparison with NumPy holds. */
export function unproven(tier: "1" | "2" | "3"): string[] {
  return tiers[tier]
    .filter((names) => !((names[0] as string) in ELSEWHERE)) // every entry has a name
    .flatMap((names) => [
      ...names.filter((name) => !lookUp(name)).map((name) => `${name} is missing`),
      ...((ROWS.get(names[0] as string)?.cases ?? 0) > 0 ? [] : [`${names[0]} has no case`]),
    ]);
}

function line(names: Names): string {
  const [name = "", ...aliases] = names;
  const title = [`\`${name}\``, ...aliases.map((a) => `\`${a}\``)].join(" = ");
  const reason = ELSEWHERE[name];
  if (reason) return `| ${title} | – | – | | ${reason} |`;
  const isHere = names.every((n) => lookUp(n));
  const counted = ROWS.get(name);
  const cases = counted ? `${counted.cases} (${counted.all})` : "–";
  return `| ${title} | ${isHere ? "yes" : "no"} | ${cases} | ${counted?.row.chunks ?? ""} | ${counted?.row.differs ?? ""} |`;
}

const HEAD = "| function | here | cases | chunks | differs |\n| --- | --- | --- | --- | --- |";

function tier(number: "1" | "2" | "3", title: string): string {
  const list = tiers[number];
  const here = list.filter((names) => names.every((n) => lookUp(n))).length;
  return `## ${title}: ${here} of ${list.length}\n\n${HEAD}\n${list.map(line).join("\n")}`;
}

/** What else the grid holds: names that dask.array's list does not have at its top. */
function others(): string {
  const listed = new Set(Object.values(tiers).flat(2));
  const rows = [...ROWS.keys()].filter((name) => !listed.has(name) && lookUp(name));
  return `## Beside the list\n\n${HEAD}\n${rows.map((name) => line([name])).join("\n")}`;
}

function names(of: object): string {
  return Object.keys(of)
    .filter((name) => typeof (of as Record<string, unknown>)[name] === "function")
    .sort()
    .map((name) => `\`${name}\``)
    .join(" ");
}

function arrayApi(): string {
  const count = Object.values(special.cases).reduce((sum, list) => sum + list.length, 0);
  return `## The Array API standard

\`array.arrayNamespaceInfo()\` tells what the namespace has; names are those of the text of ${special.version} in camelCase, with
\`array.fft\` and \`array.linalg\`. The tests in [test/array-api](../test/array-api) port the cases of the public suite
[array-api-tests](https://github.com/data-apis/array-api-tests), commit 55fcc60179ef (2026-04-03), as properties of
our own, and check the special cases of the standard's text
([data-apis/array-api](https://github.com/data-apis/array-api), commit ${special.commit.slice(0, 12)}): ${count} sentences of
${Object.keys(special.cases).length} functions, ${special.sentencesLeftOut} left out (the sign of NaN, which JavaScript does not tell; rules stated twice).

| file of the suite | here | left out |
| --- | --- | --- |
| test_has_names | names.test.ts | \`from_dlpack\`, constants (JavaScript's own) and methods with underscores: Python's protocols |
| test_signatures | – | Python's call signatures; ours are checked by the compiler |
| test_inspection_functions, test_data_type_functions | names.test.ts | |
| test_creation_functions | creation.test.ts | the \`copy\` flag of \`asarray\`: lazy arrays do not change |
| test_manipulation_functions | manipulation.test.ts | \`repeat\` by an array of counts (in the grid) |
| test_indexing_functions, test_array_object | indexing.test.ts | in-place assignment (\`setitem\` gives an array), \`__bool__\`, \`__int__\` and the like |
| test_operators_and_elementwise_functions | elementwise.test.ts | operators: TypeScript has none; in-place forms |
| test_special_cases | special-cases.test.ts | complex operands (in the grid, against NumPy) |
| test_statistical, searching, sorting, set, utility functions | statistics.test.ts | \`sorter\` of \`searchsorted\` |
| test_linalg, test_fft | linalg.test.ts | stacks of matrices of rank above 3 |
| test_dlpack | – | Python's protocol |
| test_constants | – | \`Math.E\`, \`Math.PI\`, \`Infinity\`, \`NaN\`, \`null\` for a new axis |`;
}

/** The page. */
export function compatibilityPage(): string {
  const cases = [...ROWS.values()].reduce((sum, one) => sum + one.cases, 0);
  const all = [...ROWS.values()].reduce((sum, one) => sum + one.all, 0);
  return `# Compatibility of \`array\`

Written by \`node scripts/write-compatibility.ts\` from the tables of the tests; a test fails when this page is older than they are.

Every case is one call of one function on one input, computed by us in blocks and by NumPy whole, in the same run: dtype,
shape and values are compared, and what either refuses the other has to refuse. Inputs: every dtype that the function takes ×
(vectors, planes, cubes, strided and reversed views, one element, no axes, no elements; NaN, infinities, signed zeros,
subnormals, the ends of the integers) × three ways to cut. The unit tests run ${cases} of them, the long run ([test-long.md](test-long.md))
all ${all}; the table has the number in the unit tests, in brackets that of the long run.

Bits are NumPy's for integers, bools, comparisons, selections, orders, what moves and what is made of + − × ÷ and roots.
Elementary functions keep a bound in units of the last place against extended precision, sums of narrow floats are held to
the sum in float64, sums of float64 to NumPy's bits in one block and to 10⁻¹⁴ of the largest result over several.

${tier("1", "Tier 1, used in Earth observation")}

${tier("2", "Tier 2, the rest of the Array API standard")}

${tier("3", "Tier 3, the rest of dask.array's top level")}

${others()}

\`array.linalg\`: ${names(namespace.linalg)}.

\`array.fft\`: ${names(namespace.fft)}.

\`array.random\`: ${names(namespace.random)}. Streams and values are held against NumPy's PCG64 in [test/array](../test/array).

${arrayApi()}
`;
}
