/**
 * What a pickle says, as data: constants, containers, names and calls. Nothing is imported, called or built.
 *
 * Python `list` is an array, `dict` a Map, `str` a string, `int` a number (bigint beyond 2^53), `float` a number,
 * `bytes` and `bytearray` a Uint8Array, `None` null. The rest has the classes below.
 */

/** A value of the tree. */
export type PyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PyFloat
  | PyTuple
  | PySet
  | PyGlobal
  | PyCall
  | PyCode
  | PyBuffer
  | PyValue[]
  | Map<PyValue, PyValue>;

/** A float where it matters that it is one: only for writing, since JavaScript's `1.0` is `1`. */
export class PyFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A tuple. */
export class PyTuple {
  readonly items: PyValue[];
  constructor(...items: PyValue[]) {
    this.items = items;
  }
}

/** A set or frozenset. */
export class PySet {
  readonly items: PyValue[];
  readonly isFrozen: boolean;
  constructor(items: PyValue[], isFrozen = false) {
    this.items = items;
    this.isFrozen = isFrozen;
  }
}

/** An importable name: class or function. */
export class PyGlobal {
  readonly module: string;
  readonly name: string;
  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
  /** `module.name`. */
  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** A call that unpickling would make: `callee(*args)`, or for `new` `callee.__new__(callee, *args, **kwargs)`; then state and items. */
export class PyCall {
  readonly how: "reduce" | "new";
  readonly callee: PyValue;
  readonly args: readonly PyValue[];
  readonly kwargs: PyValue;
  /** Argument of BUILD, if there was one. */
  state: PyValue | undefined;
  /** Items appended to the object, as to a list. */
  readonly listItems: PyValue[] = [];
  /** Items set on the object, as on a dict. */
  readonly dictItems: [PyValue, PyValue][] = [];

  constructor(
    callee: PyValue,
    args: readonly PyValue[] = [],
    how: "reduce" | "new" = "reduce",
    kwargs: PyValue = null,
  ) {
    this.callee = callee;
    this.args = args;
    this.how = how;
    this.kwargs = kwargs;
  }
}

/** A function defined by source text inside the pickle itself; only for writing. */
export class PyCode {
  readonly source: string;
  /** Name that the source defines. */
  readonly name: string;
  constructor(source: string, name: string) {
    this.source = source;
    this.name = name;
  }
}

/** An out-of-band buffer; `data` is undefined when none was given. */
export class PyBuffer {
  readonly data: Uint8Array | undefined;
  isReadonly = false;
  constructor(data: Uint8Array | undefined) {
    this.data = data;
  }
}
