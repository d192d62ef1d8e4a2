"""Prints what zarr-python (and, with --xarray, xarray) reads from a store.

Run: python read_back.py STORE [--xarray]
"""
import base64
import hashlib
import json
import sys
import warnings

import numpy as np
import zarr

warnings.simplefilter("ignore")
store = sys.argv[1]


def plain(v):
    if isinstance(v, (np.generic, np.ndarray)):
        v = v.tolist()
    if isinstance(v, complex):
        return [v.real, v.imag]
    if isinstance(v, float) and not np.isfinite(v):
        return str(v)
    return v


def describe(a):
    data = np.ascontiguousarray(a[...])
    return dict(dtype=data.dtype.name, shape=list(a.shape), chunks=list(a.chunks), dims=list(a.metadata.dimension_names or []),
                fill=plain(a.fill_value.view("i8") if data.dtype.kind in "Mm" else a.fill_value),
                codecs=[type(c).__name__ for c in a.metadata.codecs],
                attrs={k: plain(v) for k, v in a.attrs.asdict().items()},
                raw=base64.b64encode(data.tobytes()).decode() if data.nbytes < 4096 else None,
                sha256=hashlib.sha256(data.tobytes()).hexdigest())


if "--xarray" in sys.argv:
    import xarray
    ds = xarray.open_zarr(store, consolidated=True)
    out = dict(dims={k: int(n) for k, n in ds.sizes.items()}, coords=sorted(map(str, ds.coords)), attrs=ds.attrs,
               vars={str(k): dict(dims=list(v.dims), dtype=v.dtype.name, fill=plain(v.encoding.get("_FillValue")), values=[plain(x) for x in v.values.ravel()[:200]])
                     for k, v in ds.variables.items()})
else:
    g = zarr.open_group(store, mode="r")
    consolidated = g.metadata.consolidated_metadata
    out = dict(attrs=g.attrs.asdict(), consolidated=sorted(consolidated.metadata) if consolidated else None,
               arrays={name: describe(a) for name, a in g.arrays()})
json.dump(out, sys.stdout)
