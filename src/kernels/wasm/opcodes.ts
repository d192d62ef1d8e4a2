/** Opcodes of WebAssembly by name. Source: WebAssembly Core Specification 3.0, "Instructions" of the binary format. */

/** Vector operations of two vectors, by name: the sub-opcode after 0xfd. */
export const VECTOR2 = {
  "i8x16.swizzle": 0x0e,
  "i8x16.eq": 0x23,
  "i8x16.ne": 0x24,
  "i8x16.lt_s": 0x25,
  "i8x16.lt_u": 0x26,
  "i8x16.gt_s": 0x27,
  "i8x16.gt_u": 0x28,
  "i8x16.le_s": 0x29,
  "i8x16.le_u": 0x2a,
  "i8x16.ge_s": 0x2b,
  "i8x16.ge_u": 0x2c,
  "i16x8.eq": 0x2d,
  "i16x8.ne": 0x2e,
  "i16x8.lt_s": 0x2f,
  "i16x8.lt_u": 0x30,
  "i16x8.gt_s": 0x31,
  "i16x8.gt_u": 0x32,
  "i16x8.le_s": 0x33,
  "i16x8.le_u": 0x34,
  "i16x8.ge_s": 0x35,
  "i16x8.ge_u": 0x36,
  "i32x4.eq": 0x37,
  "i32x4.ne": 0x38,
  "i32x4.lt_s": 0x39,
  "i32x4.lt_u": 0x3a,
  "i32x4.gt_s": 0x3b,
  "i32x4.gt_u": 0x3c,
  "i32x4.le_s": 0x3d,
  "i32x4.le_u": 0x3e,
  "i32x4.ge_s": 0x3f,
  "i32x4.ge_u": 0x40,
  "f32x4.eq": 0x41,
  "f32x4.ne": 0x42,
  "f32x4.lt": 0x43,
  "f32x4.gt": 0x44,
  "f32x4.le": 0x45,
  "f32x4.ge": 0x46,
  "f64x2.eq": 0x47,
  "f64x2.ne": 0x48,
  "f64x2.lt": 0x49,
  "f64x2.gt": 0x4a,
  "f64x2.le": 0x4b,
  "f64x2.ge": 0x4c,
  "v128.and": 0x4e,
  "v128.andnot": 0x4f,
  "v128.or": 0x50,
  "v128.xor": 0x51,
  "i8x16.narrow_i16x8_s": 0x65,
  "i8x16.narrow_i16x8_u": 0x66,
  "i8x16.add": 0x6e,
  "i8x16.sub": 0x71,
  "i8x16.min_s": 0x76,
  "i8x16.min_u": 0x77,
  "i8x16.max_s": 0x78,
  "i8x16.max_u": 0x79,
  "i16x8.narrow_i32x4_s": 0x85,
  "i16x8.narrow_i32x4_u": 0x86,
  "i16x8.add": 0x8e,
  "i16x8.sub": 0x91,
  "i16x8.mul": 0x95,
  "i16x8.min_s": 0x96,
  "i16x8.min_u": 0x97,
  "i16x8.max_s": 0x98,
  "i16x8.max_u": 0x99,
  "i32x4.add": 0xae,
  "i32x4.sub": 0xb1,
  "i32x4.mul": 0xb5,
  "i32x4.min_s": 0xb6,
  "i32x4.min_u": 0xb7,
  "i32x4.max_s": 0xb8,
  "i32x4.max_u": 0xb9,
  "i32x4.extmul_low_i16x8_u": 0xbe,
  "i32x4.extmul_high_i16x8_u": 0xbf,
  "i64x2.add": 0xce,
  "i64x2.sub": 0xd1,
  "i64x2.mul": 0xd5,
  "i64x2.eq": 0xd6,
  "i64x2.ne": 0xd7,
  "i64x2.lt_s": 0xd8,
  "i64x2.gt_s": 0xd9,
  "i64x2.le_s": 0xda,
  "i64x2.ge_s": 0xdb,
  "f32x4.add": 0xe4,
  "f32x4.sub": 0xe5,
  "f32x4.mul": 0xe6,
  "f32x4.div": 0xe7,
  "f32x4.pmin": 0xea,
  "f32x4.pmax": 0xeb,
  "f64x2.add": 0xf0,
  "f64x2.sub": 0xf1,
  "f64x2.mul": 0xf2,
  "f64x2.div": 0xf3,
  "f64x2.pmin": 0xf6,
  "f64x2.pmax": 0xf7,
} as const;

/** Vector operations of one vector. */
export const VECTOR1 = {
  "v128.not": 0x4d,
  "f32x4.demote_f64x2_zero": 0x5e,
  "f64x2.promote_low_f32x4": 0x5f,
  "i8x16.abs": 0x60,
  "i8x16.neg": 0x61,
  "f32x4.ceil": 0x67,
  "f32x4.floor": 0x68,
  "f32x4.trunc": 0x69,
  "f32x4.nearest": 0x6a,
  "f64x2.ceil": 0x74,
  "f64x2.floor": 0x75,
  "f64x2.trunc": 0x7a,
  "f64x2.nearest": 0x94,
  "i16x8.extadd_pairwise_i8x16_s": 0x7c,
  "i16x8.extadd_pairwise_i8x16_u": 0x7d,
  "i32x4.extadd_pairwise_i16x8_s": 0x7e,
  "i32x4.extadd_pairwise_i16x8_u": 0x7f,
  "i16x8.abs": 0x80,
  "i16x8.neg": 0x81,
  "i16x8.extend_low_i8x16_s": 0x87,
  "i16x8.extend_high_i8x16_s": 0x88,
  "i16x8.extend_low_i8x16_u": 0x89,
  "i16x8.extend_high_i8x16_u": 0x8a,
  "i32x4.abs": 0xa0,
  "i32x4.neg": 0xa1,
  "i32x4.extend_low_i16x8_s": 0xa7,
  "i32x4.extend_high_i16x8_s": 0xa8,
  "i32x4.extend_low_i16x8_u": 0xa9,
  "i32x4.extend_high_i16x8_u": 0xaa,
  "i64x2.abs": 0xc0,
  "i64x2.neg": 0xc1,
  "i64x2.extend_low_i32x4_s": 0xc7,
  "i64x2.extend_high_i32x4_s": 0xc8,
  "i64x2.extend_low_i32x4_u": 0xc9,
  "i64x2.extend_high_i32x4_u": 0xca,
  "f32x4.abs": 0xe0,
  "f32x4.neg": 0xe1,
  "f32x4.sqrt": 0xe3,
  "f64x2.abs": 0xec,
  "f64x2.neg": 0xed,
  "f64x2.sqrt": 0xef,
  "i32x4.trunc_sat_f32x4_s": 0xf8,
  "f32x4.convert_i32x4_s": 0xfa,
  "f32x4.convert_i32x4_u": 0xfb,
  "i32x4.trunc_sat_f64x2_s_zero": 0xfc,
  "f64x2.convert_low_i32x4_s": 0xfe,
  "f64x2.convert_low_i32x4_u": 0xff,
} as const;

/** float → int32 in one instruction; lanes out of range, or NaN, give what the machine gives. */
export const TRUNCATE_IN_RANGE = { "i32x4.f32x4": 0x101, "i32x4.f64x2_zero": 0x103 } as const;

/** Logical right shifts of every lane by an i32. */
export const SHIFT_RIGHT = { i8x16: 0x6d, i16x8: 0x8d, i32x4: 0xad, i64x2: 0xcd } as const;

/** Shifts of every lane by an i32, modulo the lane's width. */
export const SHIFT = {
  "i8x16.shl": 0x6b,
  "i8x16.shr_s": 0x6c,
  "i8x16.shr_u": 0x6d,
  "i16x8.shl": 0x8b,
  "i16x8.shr_s": 0x8c,
  "i16x8.shr_u": 0x8d,
  "i32x4.shl": 0xab,
  "i32x4.shr_s": 0xac,
  "i32x4.shr_u": 0xad,
  "i64x2.shl": 0xcb,
  "i64x2.shr_s": 0xcc,
  "i64x2.shr_u": 0xcd,
} as const;

/** A scalar in every lane. */
export const SPLAT = { "i16x8.splat": 0x10, "i32x4.splat": 0x11, "i64x2.splat": 0x12 } as const;

/** Lane reads. */
export const EXTRACT = {
  "i8x16.extract_lane_s": 0x15,
  "i8x16.extract_lane_u": 0x16,
  "i16x8.extract_lane_s": 0x18,
  "i16x8.extract_lane_u": 0x19,
  "i32x4.extract_lane": 0x1b,
  "i64x2.extract_lane": 0x1d,
  "f32x4.extract_lane": 0x1f,
  "f64x2.extract_lane": 0x21,
} as const;

/** Lane writes. */
export const REPLACE = {
  "i8x16.replace_lane": 0x17,
  "i16x8.replace_lane": 0x1a,
  "i32x4.replace_lane": 0x1c,
  "i64x2.replace_lane": 0x1e,
  "f32x4.replace_lane": 0x20,
  "f64x2.replace_lane": 0x22,
} as const;

/** Vector loads of a whole or part. */
export const VECTOR_LOAD = {
  "v128.load": 0x00,
  "v128.load8_splat": 0x07,
  "v128.load16_splat": 0x08,
  "v128.load32_splat": 0x09,
  "v128.load64_splat": 0x0a,
  "v128.load64_zero": 0x5d,
} as const;

/** Lane loads and stores by element bytes. */
export const LOAD_LANE = { 1: 0x54, 2: 0x55, 4: 0x56, 8: 0x57 } as const;
export const STORE_LANE = { 1: 0x58, 2: 0x59, 4: 0x5a, 8: 0x5b } as const;
export const VECTOR_STORE = 0x0b;
export const VECTOR_CONST = 0x0c;
export const VECTOR_SHUFFLE = 0x0d;
export const VECTOR_SELECT = 0x52;
/** Choices between lanes by masks of whole lanes, by bytes of a lane (relaxed SIMD). */
export const LANE_SELECT = { 1: 0x109, 2: 0x10a, 4: 0x10b, 8: 0x10c } as const;
export const VECTOR_ANY = 0x53;
/** Sign bits of the lanes as a number, by shape. */
export const BITMASK = { i8x16: 0x64, i16x8: 0x84, i32x4: 0xa4, i64x2: 0xc4 } as const;
export const VECTOR_PREFIX = 0xfd;

/** Scalar operations of two operands of the type before the dot, which is the result's too. */
export const SCALAR2 = {
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "i32.mul": 0x6c,
  "i32.and": 0x71,
  "i32.or": 0x72,
  "i32.xor": 0x73,
  "i32.shl": 0x74,
  "i32.shr_s": 0x75,
  "i32.shr_u": 0x76,
  "i64.add": 0x7c,
  "i64.sub": 0x7d,
  "i64.mul": 0x7e,
  "i64.div_s": 0x7f,
  "i64.div_u": 0x80,
  "i64.rem_s": 0x81,
  "i64.rem_u": 0x82,
  "i64.and": 0x83,
  "i64.or": 0x84,
  "i64.xor": 0x85,
  "i64.shl": 0x86,
  "i64.shr_s": 0x87,
  "i64.shr_u": 0x88,
  "f32.add": 0x92,
  "f32.sub": 0x93,
  "f32.mul": 0x94,
  "f64.add": 0xa0,
  "f64.sub": 0xa1,
  "f64.mul": 0xa2,
} as const;

/** Comparisons of two operands of the type before the dot; the result is i32. */
export const SCALAR_COMPARE = {
  "i32.eq": 0x46,
  "i32.lt_s": 0x48,
  "i32.lt_u": 0x49,
  "i32.gt_s": 0x4a,
  "i32.gt_u": 0x4b,
  "i32.le_u": 0x4d,
  "i32.ge_u": 0x4f,
  "i64.eq": 0x51,
  "i64.ne": 0x52,
  "i64.lt_s": 0x53,
  "i64.lt_u": 0x54,
  "f64.eq": 0x61,
  "f64.ne": 0x62,
  "f64.lt": 0x63,
  "f64.le": 0x65,
  "f64.ge": 0x66,
} as const;

/** Scalar operations of one operand; the result's type stands before the dot, the operand's after it if it differs. */
export const SCALAR1 = {
  "i32.ctz": 0x68,
  "i32.popcnt": 0x69,
  "f64.abs": 0x99,
  "i32.wrap_i64": 0xa7,
  "i64.extend_i32_s": 0xac,
  "i64.extend_i32_u": 0xad,
  "f32.convert_i64_s": 0xb4,
  "f32.convert_i64_u": 0xb5,
  "f32.demote_f64": 0xb6,
  "f64.convert_i32_s": 0xb7,
  "f64.convert_i32_u": 0xb8,
  "f64.convert_i64_s": 0xb9,
  "f64.convert_i64_u": 0xba,
  "f64.promote_f32": 0xbb,
  "i64.reinterpret_f64": 0xbd,
  "f64.reinterpret_i64": 0xbf,
} as const;

/** Scalar loads and stores. */
export const SCALAR_LOAD = {
  "i32.load": 0x28,
  "i64.load": 0x29,
  "f32.load": 0x2a,
  "f64.load": 0x2b,
  "i32.load8_u": 0x2d,
  "i32.load16_s": 0x2e,
  "i32.load16_u": 0x2f,
} as const;
export const SCALAR_STORE = {
  "i32.store": 0x36,
  "i64.store": 0x37,
  "f32.store": 0x38,
  "f64.store": 0x39,
  "i32.store8": 0x3a,
  "i32.store16": 0x3b,
} as const;

/** Control and variable instructions. */
export const CONTROL = {
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  return: 0x0f,
  call: 0x10,
  drop: 0x1a,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  bulk: 0xfc,
  truncSatF64: 6,
  memoryCopy: 10,
  memoryFill: 11,
  empty: 0x40,
} as const;
