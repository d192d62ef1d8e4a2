/** i0 over vectors: Cephes' two Chebyshev series (`map/scalar-float.ts`) as one recurrence, whose coefficients are chosen lane by lane. */
import type { V } from "../map/lanes.ts";
import { I0_LARGE, I0_SMALL } from "../map/scalar-float.ts";
import { exp, type Precision } from "./exponential.ts";
import type { FloatCode } from "./float-code.ts";

/** The shorter series begins with zeros, which change nothing. */
const LARGE: readonly number[] = [...I0_SMALL.slice(I0_LARGE.length).map(() => 0), ...I0_LARGE];

/** So many coefficients from the end give float32's precision: those before are below 2^-30. */
const SHORT = 20;

/** Modified Bessel function of the first kind, order 0; in float64's lanes. */
export function i0(m: FloatCode, xs: readonly V[], { short }: Precision): V[] {
  const skipped = short ? I0_SMALL.length - SHORT : 0;
  const powers = exp(
    m,
    xs.map((x) => m.abs(x)),
    { short: false }, // as infinities need
  );
  return m.each(xs, (x, k) => {
    const a = m.abs(x);
    const isSmall = m.compare("le", a, m.c(8));
    const t = m.sub(m.select(isSmall, m.mul(a, m.c(0.5)), m.div(m.c(32), a)), m.c(2));
    let [b0, b1, b2] = [m.c(0), m.c(0), m.c(0)];
    I0_SMALL.slice(skipped).forEach((c, i) => {
      [b2, b1] = [b1, b0];
      b0 = m.add(m.sub(m.mul(t, b1), b2), m.select(isSmall, m.c(c), m.c(LARGE[skipped + i] as number))); // as many
    });
    const series = m.mul(m.mul(m.sub(b0, b2), m.c(0.5)), powers[k] as V); // as many
    return m.select(isSmall, series, m.div(series, m.sqrt(a)));
  });
}
