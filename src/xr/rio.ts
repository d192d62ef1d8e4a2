/** `x.rio`: where the pixels are, and what stands for missing. */
import { ArgumentError, MissingCrsError } from "../base/index.ts";
import { dtypeInfo, type Scalar } from "../dtype/index.ts";
import { type Affine, type BBox, crsText, type GeoBox, parseCrs } from "../geo/index.ts";
import { withNodata } from "./decode.ts";
import { gridOf, type Labelled, spatialDims } from "./labelled.ts";

/** Spatial side of an array; `T` is what the writers give. */
export class Rio<T> {
  readonly #state: Labelled;
  readonly #make: (state: Labelled) => T;

  constructor(state: Labelled, make: (state: Labelled) => T) {
    this.#state = state;
    this.#make = make;
  }

  /**
   * `"EPSG:32631"`, or WKT or PROJJSON where there is no code.
   * @throws {MissingCrsError} none is known; see {@link hasCrs}
   */
  get crs(): string {
    if (this.#state.crs !== null) return crsText(this.#state.crs);
    throw new MissingCrsError("the array has no coordinate system; name it with rio.writeCrs(32631)");
  }

  get hasCrs(): boolean {
    return this.#state.crs !== null;
  }

  /**
   * The grid of pixels.
   * @throws {ArgumentError} the array has none: no transform, or a spatial dimension is gone
   */
  get geobox(): GeoBox {
    const grid = gridOf(this.#state);
    if (grid) return grid;
    const { dims } = this.#state;
    const { y, x } = spatialDims(dims);
    const why =
      y === null || x === null
        ? `its dimensions are ${dims.join(", ") || "none"}`
        : "its coordinates are not evenly spaced";
    throw new ArgumentError(
      `the array has no grid: ${why}; name one with rio.writeTransform`,
      { details: { dims } },
      "no-grid",
    );
  }

  /** `x = a·col + b·row + c`, `y = d·col + e·row + f`, for pixel corners. */
  get transform(): Affine {
    return this.geobox.transform;
  }

  /** Outer edges `[west, south, east, north]`. */
  get bounds(): BBox {
    return this.geobox.bbox;
  }

  /** Pixel size along x and y, positive. */
  get resolution(): readonly [number, number] {
    return this.geobox.resolution;
  }

  get width(): number {
    return this.geobox.shape[1];
  }

  get height(): number {
    return this.geobox.shape[0];
  }

  /** What is missing in memory: a stored integer, NaN for floats, null where nothing is. */
  get nodata(): number | bigint | null {
    const { nodata, data } = this.#state;
    return nodata ?? (dtypeInfo(data.dtype).kind === "f" ? Number.NaN : null);
  }

  /** What stands for missing in files, where it is known. */
  get encodedNodata(): Scalar | null {
    return this.#state.encoding.nodata ?? this.#state.nodata;
  }

  /** The same pixels under another CRS label; nothing is reprojected. @throws {ArgumentError} no CRS */
  writeCrs(crs: string | number): T {
    return this.#make({ ...this.#state, crs: parseCrs(crs) });
  }

  /**
   * From here on `nodata` is missing: integers keep it, floats become NaN where they equal it and are written with it.
   * Null: nothing is missing.
   * @throws {NodataError} it does not fit the dtype
   */
  writeNodata(nodata: Scalar | null): T {
    return this.#make(withNodata(this.#state, nodata));
  }

  /** The same pixels at another place. @throws {ArgumentError} not six finite numbers */
  writeTransform(transform: Affine): T {
    if (transform.length !== 6 || !transform.every(Number.isFinite))
      throw new ArgumentError(`transform [${transform.join(", ")}]: expected six finite numbers a b c d e f`);
    const { y, x } = spatialDims(this.#state.dims);
    const coords = new Map([...this.#state.coords].filter(([name]) => name !== y && name !== x));
    return this.#make({ ...this.#state, transform, coords });
  }
}
