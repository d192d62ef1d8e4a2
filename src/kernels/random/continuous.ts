/**
 * Draws from continuous distributions, in NumPy's order of words, so that one block equals numpy.random.Generator's
 * values (to the last bit but where `log`, `exp` and `pow` of C and JavaScript differ). Sources: G. Marsaglia and W. W.
 * Tsang, "The Ziggurat Method" (2000) and "A Simple Method for Generating Gamma Variables" (2000); M. D. Jöhnk (1964).
 */
import { viewOf } from "../../dtype/index.ts";
import type { BitStream, ZigguratTable } from "./pcg64.ts";
import { EXPONENTIAL_EDGES, NORMAL_EDGES } from "./ziggurat-edges.ts";

/** A draw of one value. */
export type Draw = (s: BitStream) => number;

const LAYERS = 256;

interface Ziggurat {
  /** Right edge of each layer per bit, and the bits below which a draw lies under the curve at once. */
  readonly edges: Float64Array;
  readonly inside: Float64Array;
  /** The curve at each edge. */
  readonly heights: Float64Array;
  readonly tail: number;
  /** The same for float32. */
  readonly edges32: Float32Array;
  readonly inside32: Float64Array;
  readonly heights32: Float32Array;
}

function ziggurat(text: string, bits: number, curve: (x: number) => number): Ziggurat {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const edges = viewOf("float64", bytes.buffer, 0, LAYERS) as Float64Array; // by its dtype
  const scale = 2 ** bits;
  const x = (k: number): number => (edges[k] as number) * scale;
  const tail = x(LAYERS - 1);
  const ratio = (k: number): number => (k === 0 ? tail / x(0) : k === 1 ? 0 : x(k - 1) / x(k));
  const layers = Array.from({ length: LAYERS }, (_, k) => k);
  return {
    edges,
    tail,
    inside: Float64Array.from(layers, (k) => Math.floor(ratio(k) * scale)),
    heights: Float64Array.from(layers, (k) => (k === 0 ? 1 : curve(x(k)))),
    edges32: Float32Array.from(layers, (k) => x(k) / 2 ** 23),
    inside32: Float64Array.from(layers, (k) => Math.floor(ratio(k) * 2 ** 23)),
    heights32: Float32Array.from(layers, (k) => (k === 0 ? 1 : curve(x(k)))),
  };
}

let normalTables: Ziggurat | undefined;
let exponentialTables: Ziggurat | undefined;

function normals(): Ziggurat {
  normalTables ??= ziggurat(NORMAL_EDGES, 52, (x) => Math.exp(-0.5 * x * x));
  return normalTables;
}

function exponentials(): Ziggurat {
  exponentialTables ??= ziggurat(EXPONENTIAL_EDGES, 53, (x) => Math.exp(-x));
  return exponentialTables;
}

/** The layers as the module reads them. */
export function zigguratTable(kind: "normal" | "exponential"): ZigguratTable {
  const { edges, inside } = kind === "normal" ? normals() : exponentials();
  return { kind, edges, inside: BigUint64Array.from(inside, BigInt) };
}

/** Mean 0, standard deviation 1. */
export function standardNormal(): Draw {
  const { edges, inside, heights, tail } = normals();
  const inverse = 1 / tail;
  return (s) => {
    for (;;) {
      s.advance();
      const layer = s.low & 0xff;
      const bits = (s.high & 0x1fffffff) * 8388608 + (s.low >>> 9);
      const x = (s.low & 0x100) === 0 ? bits * (edges[layer] as number) : -(bits * (edges[layer] as number));
      if (bits < (inside[layer] as number)) return x;
      if (layer === 0) {
        for (;;) {
          const beyond = -inverse * Math.log1p(-s.double());
          const y = -Math.log1p(-s.double());
          if (y + y > beyond * beyond) return Math.floor(bits / 256) % 2 === 1 ? -(tail + beyond) : tail + beyond;
        }
      }
      const [above, below] = [heights[layer - 1] as number, heights[layer] as number];
      if ((above - below) * s.double() + below < Math.exp(-0.5 * x * x)) return x;
    }
  };
}

/** As {@link standardNormal}, in float32 and from half as many bits. */
function standardNormalFloat(): Draw {
  const { edges32, inside32, heights32, tail } = normals();
  const round = Math.fround;
  const [end, inverse] = [round(tail), round(1 / tail)];
  return (s) => {
    for (;;) {
      const half = s.half();
      const layer = half & 0xff;
      const bits = half >>> 9;
      const size = round(bits * (edges32[layer] as number));
      const x = (half & 0x100) === 0 ? size : -size;
      if (bits < (inside32[layer] as number)) return x;
      if (layer === 0) {
        for (;;) {
          const beyond = round(-inverse * round(Math.log1p(-s.float())));
          const y = -round(Math.log1p(-s.float()));
          if (round(y + y) > round(beyond * beyond))
            return ((bits >>> 8) & 1) === 1 ? -round(end + beyond) : round(end + beyond);
        }
      }
      const [above, below] = [heights32[layer - 1] as number, heights32[layer] as number];
      if (round(round(round(above - below) * s.float()) + below) < Math.exp(-0.5 * x * x)) return x;
    }
  };
}

/** Mean 1. */
export function standardExponential(): Draw {
  const { edges, inside, heights, tail } = exponentials();
  return (s) => {
    for (;;) {
      s.advance();
      const layer = (s.low >>> 3) & 0xff;
      const bits = s.high * 2097152 + (s.low >>> 11);
      const x = bits * (edges[layer] as number);
      if (bits < (inside[layer] as number)) return x;
      if (layer === 0) return tail - Math.log1p(-s.double());
      const [above, below] = [heights[layer - 1] as number, heights[layer] as number];
      if ((above - below) * s.double() + below < Math.exp(-x)) return x;
    }
  };
}

/** As {@link standardExponential}, in float32 and from half as many bits. */
function standardExponentialFloat(): Draw {
  const { edges32, inside32, heights32, tail } = exponentials();
  const round = Math.fround;
  return (s) => {
    for (;;) {
      const half = s.half() >>> 1;
      const layer = half & 0xff;
      const bits = half >>> 8;
      const x = round(bits * (edges32[layer] as number));
      if (bits < (inside32[layer] as number)) return x;
      if (layer === 0) return round(round(tail) - round(Math.log1p(-s.float())));
      const [above, below] = [heights32[layer - 1] as number, heights32[layer] as number];
      if (round(round(round(above - below) * s.float()) + below) < Math.fround(Math.exp(-x))) return x;
    }
  };
}

/** Gamma of this shape and scale 1. */
export function standardGamma(shape: number): Draw {
  const exponential = standardExponential();
  if (shape === 1) return exponential;
  if (shape === 0) return () => 0;
  if (shape < 1) {
    return (s) => {
      for (;;) {
        const u = s.double();
        const v = exponential(s);
        if (u <= 1 - shape) {
          const x = u ** (1 / shape);
          if (x <= v) return x;
        } else {
          const y = -Math.log((1 - u) / shape);
          const x = (1 - shape + shape * y) ** (1 / shape);
          if (x <= v + y) return x;
        }
      }
    };
  }
  const normal = standardNormal();
  const b = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * b);
  return (s) => {
    for (;;) {
      let x: number;
      let v: number;
      do {
        x = normal(s);
        v = 1 + c * x;
      } while (v <= 0);
      v = v * v * v;
      const u = s.double();
      if (u < 1 - 0.0331 * (x * x) * (x * x)) return b * v;
      if (Math.log(u) < 0.5 * x * x + b * (1 - v + Math.log(v))) return b * v;
    }
  };
}

/** Beta: by Jöhnk's method where both parameters are at most 1, else by two gammas. */
export function beta(a: number, b: number): Draw {
  if (a > 1 || b > 1) {
    const [first, second] = [standardGamma(a), standardGamma(b)];
    return (s) => {
      const x = first(s);
      return x / (x + second(s));
    };
  }
  return (s) => {
    for (;;) {
      const [u, v] = [s.double(), s.double()];
      const [x, y] = [u ** (1 / a), v ** (1 / b)];
      if (x + y > 1 || u + v <= 0) continue;
      if (x + y > 0) return x / (x + y);
      const [logX, logY] = [Math.log(u) / a, Math.log(v) / b];
      const most = Math.max(logX, logY);
      return Math.exp(logX - most - Math.log(Math.exp(logX - most) + Math.exp(logY - most)));
    }
  };
}

/** A draw that skips zeros of the uniform numbers. */
function nonZero(s: BitStream): number {
  for (;;) {
    const u = s.double();
    if (u > 0) return u;
  }
}

/** Simple functions of the draws above, by name and parameters. */
export const CONTINUOUS: Readonly<Record<string, (p: readonly number[]) => Draw>> = {
  random: () => (s) => s.double(),
  uniform: ([low = 0, high = 1]) => {
    const range = high - low;
    return (s) => low + range * s.double();
  },
  standardNormal: () => standardNormal(),
  normal: ([loc = 0, scale = 1]) => {
    const draw = standardNormal();
    return (s) => loc + scale * draw(s);
  },
  lognormal: ([mean = 0, sigma = 1]) => {
    const draw = standardNormal();
    return (s) => Math.exp(mean + sigma * draw(s));
  },
  standardExponential: () => standardExponential(),
  exponential: ([scale = 1]) => {
    const draw = standardExponential();
    return (s) => scale * draw(s);
  },
  standardGamma: ([shape = 1]) => standardGamma(shape),
  gamma: ([shape = 1, scale = 1]) => {
    const draw = standardGamma(shape);
    return (s) => scale * draw(s);
  },
  beta: ([a = 1, b = 1]) => beta(a, b),
  chisquare: ([df = 1]) => {
    const draw = standardGamma(df / 2);
    return (s) => 2 * draw(s);
  },
  f: ([dfnum = 1, dfden = 1]) => {
    const [upper, lower] = [standardGamma(dfnum / 2), standardGamma(dfden / 2)];
    return (s) => {
      const x = 2 * upper(s) * dfden;
      return x / (2 * lower(s) * dfnum);
    };
  },
  standardT: ([df = 1]) => {
    const [normal, gamma] = [standardNormal(), standardGamma(df / 2)];
    return (s) => {
      const x = normal(s);
      return (Math.sqrt(df / 2) * x) / Math.sqrt(gamma(s));
    };
  },
  standardCauchy: () => {
    const draw = standardNormal();
    return (s) => draw(s) / draw(s);
  },
  pareto: ([a = 1]) => {
    const draw = standardExponential();
    return (s) => Math.expm1(draw(s) / a);
  },
  weibull: ([a = 1]) => {
    const draw = standardExponential();
    return a === 0 ? () => 0 : (s) => draw(s) ** (1 / a);
  },
  power: ([a = 1]) => {
    const draw = standardExponential();
    return (s) => (-Math.expm1(-draw(s))) ** (1 / a);
  },
  laplace:
    ([loc = 0, scale = 1]) =>
    (s) => {
      const u = nonZero(s);
      return u >= 0.5 ? loc - scale * Math.log(2 - u - u) : loc + scale * Math.log(u + u);
    },
  gumbel:
    ([loc = 0, scale = 1]) =>
    (s) => {
      for (;;) {
        const u = 1 - s.double();
        if (u < 1) return loc - scale * Math.log(-Math.log(u));
      }
    },
  logistic:
    ([loc = 0, scale = 1]) =>
    (s) => {
      const u = nonZero(s);
      return loc + scale * Math.log(u / (1 - u));
    },
  rayleigh: ([scale = 1]) => {
    const draw = standardExponential();
    return (s) => scale * Math.sqrt(2 * draw(s));
  },
  triangular: ([left = 0, mode = 0.5, right = 1]) => {
    const [base, before, after] = [right - left, mode - left, right - mode];
    const ratio = before / base;
    return (s) => {
      const u = s.double();
      return u <= ratio ? left + Math.sqrt(u * before * base) : right - Math.sqrt((1 - u) * after * base);
    };
  },
};

/** Draws in float32. */
export const CONTINUOUS_FLOAT: Readonly<Record<string, () => Draw>> = {
  random: () => (s) => s.float(),
  standardNormal: () => standardNormalFloat(),
  standardExponential: () => standardExponentialFloat(),
};
