/** What the namespace is and can: the Array API standard's inspection and data type functions (text of 2025.12). */
import { ArgumentError, DTypeError } from "../base/index.ts";
import { asDType, DTYPES, type DType, dtypeInfo, type Kind, promoteTypes } from "../dtype/index.ts";

/** Kinds of dtypes by the standard's names. */
export type DTypeKind =
  | "bool"
  | "signed integer"
  | "unsigned integer"
  | "integral"
  | "real floating"
  | "complex floating"
  | "numeric";

const KINDS: Readonly<Record<DTypeKind, string>> = {
  bool: "b",
  "signed integer": "i",
  "unsigned integer": "u",
  integral: "iu",
  "real floating": "f",
  "complex floating": "c",
  numeric: "iufc",
};

/** The only device: blocks live in the memory of processors. */
const DEVICE = "cpu";

/** Options that name a device. */
export interface DeviceOptions {
  readonly device?: string | null;
}

/** What {@link arrayNamespaceInfo} gives. */
export interface ArrayNamespaceInfo {
  /** Selection by bool arrays and shapes that depend on values are there; ranks have no limit. */
  capabilities(): Readonly<{
    "boolean indexing": true;
    "data-dependent shapes": true;
    "max dimensions": null;
  }>;
  defaultDevice(): string;
  /** dtypes of new arrays where none is named. @throws {ArgumentError} another device */
  defaultDtypes(
    options?: DeviceOptions,
  ): Readonly<Record<"real floating" | "complex floating" | "integral" | "indexing", DType>>;
  /** dtypes by name, of the given kinds. @throws {ArgumentError} unknown kind or device */
  dtypes(
    options?: DeviceOptions & { readonly kind?: DTypeKind | readonly DTypeKind[] | null },
  ): Partial<Readonly<Record<DType, DType>>>;
  devices(): readonly string[];
}

function checkDevice({ device }: DeviceOptions): void {
  if (device !== undefined && device !== null && device !== DEVICE)
    throw new ArgumentError(`device ${JSON.stringify(device)}: expected "${DEVICE}"`);
}

/** NumPy's kind letters of one of the standard's kinds. */
function letters(kind: DTypeKind): string {
  if (!Object.hasOwn(KINDS, kind))
    throw new ArgumentError(`kind ${JSON.stringify(kind)}: expected one of ${Object.keys(KINDS).join(", ")}`);
  return KINDS[kind];
}

/** Facts about the namespace: the standard's `__array_namespace_info__`. float16 and the datetimes are extensions. */
export function arrayNamespaceInfo(): ArrayNamespaceInfo {
  return {
    capabilities: () => ({ "boolean indexing": true, "data-dependent shapes": true, "max dimensions": null }),
    defaultDevice: () => DEVICE,
    defaultDtypes: (options = {}) => {
      checkDevice(options);
      return {
        "real floating": "float64",
        "complex floating": "complex128",
        integral: "int64",
        indexing: "int64",
      };
    },
    dtypes: (options = {}) => {
      checkDevice(options);
      const wanted = [options.kind ?? ["bool", "numeric"]].flat() as readonly DTypeKind[]; // one or a list
      const kinds = wanted.map(letters).join("");
      const names = Object.values(DTYPES).filter((d) => kinds.includes(d.kind));
      return Object.fromEntries(names.map(({ name }) => [name, name]));
    },
    devices: () => [DEVICE],
  };
}

/** Anything with a dtype, or a dtype's name. */
export type HasDType = DType | { readonly dtype: DType };

function dtypeOf(of: HasDType): DType {
  return asDType(typeof of === "object" && of !== null ? of.dtype : of);
}

/** Limits of a float type. */
export interface FloatInfo {
  readonly bits: number;
  /** 1 and the next larger number differ by this. */
  readonly eps: number;
  readonly max: number;
  readonly min: number;
  /** Smallest positive number with full precision. */
  readonly smallestNormal: number;
  /** The dtype, of complex types that of their parts. */
  readonly dtype: DType;
}

/** IEEE 754: bits of the mantissa without the leading one, largest exponent. */
const FORMATS: Readonly<Partial<Record<DType, readonly [mantissa: number, exponent: number]>>> = {
  float16: [10, 15],
  float32: [23, 127],
  float64: [52, 1023],
};

/** Limits of a float type, of complex types those of their parts. NumPy `finfo`. @throws {DTypeError} no float type */
export function finfo(of: HasDType): FloatInfo {
  const given = dtypeOf(of);
  const dtype = given === "complex64" ? "float32" : given === "complex128" ? "float64" : given;
  const format = FORMATS[dtype];
  if (!format) throw new DTypeError(`finfo of ${given}: expected a float type; iinfo tells of integers`);
  const [mantissa, exponent] = format;
  const max = (2 - 2 ** -mantissa) * 2 ** exponent;
  const bits = dtypeInfo(dtype).itemsize * 8;
  return { bits, eps: 2 ** -mantissa, max, min: -max, smallestNormal: 2 ** (1 - exponent), dtype };
}

/** Limits of an integer type; bigint for 64 bits, as their elements are. */
export interface IntegerInfo {
  readonly bits: number;
  readonly max: number | bigint;
  readonly min: number | bigint;
  readonly dtype: DType;
}

/** Limits of an integer type. NumPy `iinfo`. @throws {DTypeError} no integer type */
export function iinfo(of: HasDType): IntegerInfo {
  const dtype = dtypeOf(of);
  const { min, max, big, itemsize } = dtypeInfo(dtype);
  if (min === undefined || max === undefined)
    throw new DTypeError(`iinfo of ${dtype}: expected an integer type; finfo tells of floats`);
  return { bits: itemsize * 8, max: big ? max : Number(max), min: big ? min : Number(min), dtype };
}

/** True where every value of `from` has its like in `to`: the common dtype is `to`. NumPy `can_cast`, casting "safe". */
export function canCast(from: HasDType, to: DType): boolean {
  const [source, target] = [dtypeOf(from), asDType(to)];
  if (source === target) return true;
  const isTime = (dtype: DType): boolean => "Mm".includes(dtypeInfo(dtype).kind);
  return !isTime(source) && !isTime(target) && promoteTypes(source, target) === target;
}

/** True where the dtype is, or is of the kind, or of one in the list. NumPy `isdtype`. @throws {ArgumentError} unknown kind */
export function isdtype(dtype: DType, kind: DType | DTypeKind | readonly (DType | DTypeKind)[]): boolean {
  const { kind: own }: { kind: Kind } = dtypeInfo(asDType(dtype));
  const wanted = [kind].flat() as readonly (DType | DTypeKind)[]; // one or a list
  return wanted.some((k) => {
    if (k === "bool" || !Object.hasOwn(DTYPES, k)) return letters(k as DTypeKind).includes(own); // no dtype's name but bool
    return k === dtype;
  });
}
