/**
 * Room: dtype. The only rules about number types: names, sizes, typed arrays, casting, promotion, foreign codes.
 * In: names and scalars. Out: names, sizes, scalars. Pure.
 * Imports: base.
 * @module
 */
export { canHold, castScalar, checkedScalar } from "./cast.ts";
export type { DType, DTypeInfo, Kind, Scalar, TypedArray, TypedArrayConstructor } from "./dtypes.ts";
export { allocate, asDType, DTYPES, dtypeInfo, dtypeOfArray, fromNumpy, isDType, itemsize, viewOf } from "./dtypes.ts";
export type { ReductionName } from "./promote.ts";
export {
  floatType,
  isWeakFloat,
  promoteScalar,
  promoteTypes,
  reductionType,
  resultType,
  scalarDType,
  trueDivideType,
} from "./promote.ts";
