"""The Python stack's side of bench/ndvi: xarray + dask + rioxarray + zarr, as their documentation advises.

    peer.py INPUT DATES OUT CHUNK threads|cluster THREADS

One read of the inputs: Zarr store, GeoTIFF and statistics are one dask graph. rioxarray cannot write a COG from dask blocks
(its COG driver needs the whole array), so, as its documentation has it, a tiled GeoTIFF is written under a lock and then
copied by GDAL's COG driver on as many threads.
"""
import json
import pathlib
import shutil
import sys
import threading
import warnings


def main(folder: pathlib.Path, dates: int, out: pathlib.Path, chunk: int, mode: str, threads: int) -> None:
    import dask
    import numpy as np
    import rasterio
    import rasterio.shutil
    import rioxarray
    import xarray as xr
    import zarr

    warnings.simplefilter("ignore")
    client = lock = None
    if mode == "cluster":
        from distributed import Client, Lock

        client = Client(n_workers=threads, threads_per_worker=1, dashboard_address=None)
        lock = Lock("tif")
    else:
        dask.config.set(scheduler="threads", num_workers=threads)
        lock = threading.Lock()

    def band(name: str, date: int) -> xr.DataArray:
        # lock=False: every thread opens the file for itself; masked: nodata becomes NaN in float32.
        return rioxarray.open_rasterio(folder / f"{name}-{date}.tif", chunks={"x": chunk, "y": chunk}, lock=False, masked=True).squeeze("band", drop=True)

    layers = []
    for date in range(dates):
        red, nir = band("red", date), band("nir", date)
        layers.append(((nir - red) / (nir + red)).astype("float32"))
    ndvi = xr.concat(layers, "time").assign_coords(time=np.arange(dates)).rename("ndvi")
    ndvi.attrs = {}
    exact = ndvi.astype("float64")
    stats = [ndvi.count(), exact.mean(), ndvi.min(), ndvi.max()]

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    codec = zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=4)
    encoding = {"ndvi": {"compressors": [codec], "chunks": (1, min(1024, ndvi.sizes["y"]), min(1024, ndvi.sizes["x"])), "_FillValue": np.nan}}
    write_zarr = ndvi.to_dataset().to_zarr(out / "ndvi.zarr", encoding=encoding, zarr_format=3, consolidated=True, compute=False, align_chunks=True)
    plain = out / "plain.tif"
    write_tif = ndvi.rio.to_raster(plain, tiled=True, blockxsize=512, blockysize=512, nodata=np.nan, lock=lock, compute=False, BIGTIFF="IF_SAFER")
    *_, count, mean, low, high = dask.compute(write_zarr, write_tif, *stats)
    with rasterio.Env(GDAL_NUM_THREADS=str(threads)):
        rasterio.shutil.copy(plain, out / "ndvi.tif", driver="COG", blocksize=512, compress="deflate", level=6, predictor=3, overview_resampling="average", num_threads=str(threads), bigtiff="IF_SAFER")
    plain.unlink()
    if client:
        client.close()
    print(json.dumps({"valid": int(count), "mean": float(mean), "min": float(low), "max": float(high)}))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5], int(sys.argv[6]))
