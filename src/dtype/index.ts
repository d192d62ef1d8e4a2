/**
 * Room: dtype. The only rules about number types: names, sizes, typed arrays, casting, promotion, foreign codes.
 * In: names and scalars. Out: names, sizes, scalars. Pure.
 * Imports: base.
 * @module
 */
export { canHold, castScalar, checkedScalar, storeScalar } from "./cast.ts";
export type { Complex, DType, DTypeInfo, Kind, Scalar, TypedArray, TypedArrayConstructor } from "./dtypes.ts";
export {
  allocate,
  asDType,
  DTYPES,
  dtypeInfo,
  dtypeOfArray,
  fromNumpy,
  isComplex,
  isDType,
  itemsize,
  viewOf,
} from "./dtypes.ts";
export type { ReductionName } from "./promote.ts";
export {
  floatType,
  givesIndex,
  isWeakFloat,
  promoteScalar,
  promoteTypes,
  reductionType,
  resultType,
  scalarDType,
  skipsNaN,
  trueDivideType,
} from "./promote.ts";
