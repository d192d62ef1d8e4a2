/** Writes `docs/rooms.md` from the room table. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { roomsPage } from "../test/tidy/rooms.ts";

writeFileSync(join(import.meta.dirname, "..", "docs", "rooms.md"), roomsPage());
