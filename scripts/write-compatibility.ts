/** Writes docs/compatibility.md from the tables of the tests. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compatibilityPage } from "../test/array/grid/page.ts";

writeFileSync(join(import.meta.dirname, "..", "docs", "compatibility.md"), compatibilityPage());
