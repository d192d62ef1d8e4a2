/** The part of the WebAssembly API that this room uses: Node's types name it but do not declare it. */

/** A linear memory; ours are always shared. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}

/** A compiled module; can be posted to other threads. */
export interface WasmModule {
  readonly __wasmModule?: never;
}

/** Exported kernel: address of its parameter block, rows, elements per row. */
export type WasmKernel = (block: number, rows: number, count: number) => void;

export interface WasmInstance {
  readonly exports: Readonly<Record<string, WasmKernel>>;
}

interface WasmApi {
  readonly Memory: new (descriptor: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: boolean;
  }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => WasmInstance;
  readonly validate: (bytes: Uint8Array) => boolean;
}

// The global exists in every runtime that we support; only its declaration is missing.
export const wasm: WasmApi = (globalThis as unknown as { readonly WebAssembly: WasmApi }).WebAssembly;
