/** Whether this process offers rsdat's own words on the wire. */

/** False when `RSDAT_DIALECT=0`: everything is then said in pure Dask. */
export function speaksDialect(): boolean {
  return process.env["RSDAT_DIALECT"] !== "0";
}
