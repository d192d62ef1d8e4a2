/**
 * More data than memory: anomalies of 1.5 GiB of made-up temperatures within 256 MiB of blocks. The plan knows every
 * byte before anything runs, and a plan that cannot fit says so instead of starting.
 *
 *   node examples/arrays/larger-than-memory.ts
 */
import { array, formatBytes, isRsdatError } from "rsdat";

const day = array.arange(96, { chunks: 8, dtype: "float32" }).slice(":", null, null);
const y = array.arange(2048, { chunks: 512, dtype: "float32" }).slice(null, ":", null);
const x = array.arange(2048, { chunks: 512, dtype: "float32" }).slice(null, null, ":");
const temperature = day.mul(0.5).add(y.mul(0.01)).sub(x.mul(0.02)).add(day.mul(x).mod(7));

const climate = temperature.mean(0);
const anomaly = temperature.sub(climate);
const spread = anomaly.std(0);
const memory = "256MiB";

const plan = await spread.explain({ memory });
console.log(`${formatBytes(temperature.nbytes)} in ${plan.tasks} tasks, ${formatBytes(plan.leastBytes)} at the least`);
console.log(`spread ${(await spread.mean().compute({ memory })).item()}`);

try {
  await temperature.rechunk([-1, 2048, 2048]).compute({ memory });
} catch (error) {
  if (!isRsdatError(error, "memory-budget")) throw error;
  console.log(error.message);
}
