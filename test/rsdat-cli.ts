/** Entry of the command line for tests that start it as a process; `bin/` is tested with the package. */
import { main } from "../src/cli/index.ts";

await main(process.argv.slice(2));
