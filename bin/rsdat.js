#!/usr/bin/env node
import { load } from "./load.js";

const { main } = await load("cli/index");
await main(process.argv.slice(2));
