"""Writes Zarr stores of many kinds with zarr-python, and prints what each array holds.

Run: python write_matrix.py FOLDER > expected.json
"""
import base64
import itertools
import json
import sys
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import zarr
from zarr.codecs import (BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec)

warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
rng = np.random.default_rng(7)
expected = []

DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "M8[ns]", "m8[ns]"]
SHAPE, CHUNKS = (7, 5), (3, 2)  # ragged in both axes


def values(dtype, shape=SHAPE):
    d = np.dtype(dtype)
    if d.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if d.kind in "iu":
        info = np.iinfo(d)
        return rng.integers(info.min, info.max, shape, dtype=d.newbyteorder("="), endpoint=True).astype(d)
    if d.kind in "Mm":
        return rng.integers(-2**62, 2**62, shape).view(d.newbyteorder("=")).astype(d)
    v = rng.normal(0, 1000, shape)
    if d.kind == "c":
        v = v + 1j * rng.normal(0, 1000, shape)
    return v.astype(d)


def note(store, name, array):
    """The array's bytes, little-endian in C order, as zarr-python reads them."""
    data = np.asarray(array[...])
    data = data.astype(data.dtype.newbyteorder("<"))
    expected.append(dict(store=store, name=name, dtype=data.dtype.newbyteorder("=").str[1:], shape=list(data.shape),
                         raw=base64.b64encode(np.ascontiguousarray(data).tobytes()).decode()))


def put(group, store, name, data, written=True, **options):
    options = dict(dict(shape=data.shape, chunks=CHUNKS, dtype=data.dtype), **options)
    if "filters" in options and options["filters"] is None:
        del options["filters"]
    a = group.create_array(name, **options)
    if written:
        a[...] = data
    note(store, name, a)
    return a


def group(name, version):
    return zarr.open_group(folder / name, mode="w", zarr_format=version), name


def v2():
    g, s = group("v2-dtypes", 2)
    for code, order, endian in itertools.product(DTYPES, "CF", "<>"):
        d = np.dtype(code).newbyteorder(endian)
        if endian == ">" and d.itemsize == 1:
            continue
        put(g, s, f"{code}-{order}-{'le' if endian == '<' else 'be'}".replace("[ns]", ""), values(d), order=order)
    zarr.consolidate_metadata(g.store)

    g, s = group("v2-codecs", 2)
    blosc = {f"blosc-{c}-{s}": numcodecs.Blosc(cname=c, clevel=5, shuffle=s) for c in ["lz4", "lz4hc", "zstd", "zlib"] for s in [0, 1, 2]}
    compressors = dict(none=None, zlib=numcodecs.Zlib(4), gzip=numcodecs.GZip(4), zstd=numcodecs.Zstd(4), lz4=numcodecs.LZ4(), **blosc)
    for (key, compressor), d in itertools.product(compressors.items(), ["i2", "f4"]):
        put(g, s, f"{key}-{d}", values(d), compressors=compressor)
    for d in ["i1", "u2", "i4", "u8"]:
        put(g, s, f"delta-{d}", values(d), filters=[numcodecs.Delta(f"<{d}" if d != "i1" else "|i1")], compressors=numcodecs.Zlib(1))
    put(g, s, "shuffle", values("f4"), filters=[numcodecs.Shuffle(4)], compressors=numcodecs.Zlib(1))
    put(g, s, "bitround", values("f4"), filters=[numcodecs.BitRound(10)], compressors=numcodecs.Zlib(1))
    put(g, s, "two-filters", values("i4"), filters=[numcodecs.Delta("<i4"), numcodecs.Shuffle(4)], compressors=numcodecs.Zstd(1))

    g, s = group("v2-shapes", 2)
    shapes(g, s)
    from zarr.core.chunk_key_encodings import V2ChunkKeyEncoding
    for separator in "./":
        put(g, s, f"separator-{'dot' if separator == '.' else 'slash'}", values("u2"), chunk_key_encoding=V2ChunkKeyEncoding(separator=separator))
    a = g.create_array("null-fill", shape=(4,), chunks=(2,), dtype="f4", fill_value=None)
    a[:2] = 5
    note(s, "null-fill", a)


def shapes(g, s):
    put(g, s, "scalar", np.array(-3.5, "f8"), chunks=())
    put(g, s, "empty", np.zeros((0, 3), "f4"), chunks=(1, 3))
    put(g, s, "one-chunk", values("i2", (4, 4)), chunks=(4, 4))
    put(g, s, "chunk-beyond", values("i2", (4, 4)), chunks=(9, 9))
    put(g, s, "rank-4", values("u1", (3, 2, 5, 4)), chunks=(2, 1, 3, 4))
    fills = dict(nan=("f4", np.nan), inf=("f8", -np.inf), negative=("i2", -9999), true=("bool", True), large=("i8", 2**62 + 1), max=("u8", 2**64 - 1),
                 complex=("c8", 1 - 2j), half=("f2", 0.1))
    for key, (d, fill) in fills.items():
        a = g.create_array(f"fill-{key}", shape=SHAPE, chunks=CHUNKS, dtype=d, fill_value=fill)
        a[0:3, 2:4] = values(d, (3, 2))
        note(s, f"fill-{key}", a)


def v3():
    g, s = group("v3-dtypes", 3)
    for code in DTYPES:
        put(g, s, f"{code}".replace("[ns]", ""), values(code), dimension_names=["y", "x"], attributes=dict(units="m", none=None, nan=float("nan")))
        if np.dtype(code).itemsize > 1:
            put(g, s, f"{code}-be".replace("[ns]", ""), values(code), serializer=BytesCodec(endian="big"))
    zarr.consolidate_metadata(g.store)

    g, s = group("v3-codecs", 3)
    blosc = {f"blosc-{c}-{s}": [BloscCodec(cname=c, clevel=5, shuffle=s, typesize=4)] for c in ["lz4", "lz4hc", "zstd", "zlib"]
             for s in ["noshuffle", "shuffle", "bitshuffle"]}
    chains = dict(none=[], gzip=[GzipCodec(level=5)], zstd=[ZstdCodec(level=3)], zstd_checksum=[ZstdCodec(level=3, checksum=True)],
                  crc32c=[Crc32cCodec()], gzip_crc32c=[GzipCodec(level=1), Crc32cCodec()], zstd_gzip=[ZstdCodec(level=1), GzipCodec(level=1)],
                  crc32c_zstd=[Crc32cCodec(), ZstdCodec(level=1)], crc32c_blosc=[Crc32cCodec(), BloscCodec(cname="lz4", shuffle="noshuffle", typesize=1)], **blosc)
    try:
        from zarr.codecs import numcodecs as nc
    except ImportError:
        import numcodecs.zarr3 as nc
    chains |= dict(nc_zlib=[nc.Zlib(level=3)], nc_lz4=[nc.LZ4()], nc_shuffle=[nc.Shuffle(elementsize=4), ZstdCodec(level=1)])
    for key, chain in chains.items():
        put(g, s, key, values("f4"), compressors=chain)
    put(g, s, "nc_delta", values("i4"), filters=[nc.Delta(dtype="<i4")])
    put(g, s, "transpose", values("f4"), filters=[TransposeCodec(order=(1, 0))])
    put(g, s, "transpose-3", values("i2", (3, 4, 5)), chunks=(2, 3, 2), filters=[TransposeCodec(order=(2, 0, 1))])
    put(g, s, "transpose-twice", values("i2", (3, 4, 5)), chunks=(2, 3, 2), filters=[TransposeCodec(order=(2, 0, 1)), TransposeCodec(order=(1, 0, 2))])

    g, s = group("v3-shards", 3)
    for location, crc, inner in itertools.product(["end", "start"], [True, False], ["zstd", "blosc", "transpose", "big"]):
        index = [BytesCodec()] + ([Crc32cCodec()] if crc else [])
        codecs = dict(zstd=[BytesCodec(), ZstdCodec()], blosc=[BytesCodec(), BloscCodec(cname="lz4", shuffle="shuffle", typesize=4)],
                      transpose=[TransposeCodec(order=(1, 0)), BytesCodec(), Crc32cCodec()], big=[BytesCodec(endian="big")])[inner]
        name = f"{location}-{'crc' if crc else 'plain'}-{inner}"
        a = g.create_array(name, shape=(9, 7), chunks=(4, 6), dtype="f4", fill_value=-1,
                           serializer=ShardingCodec(chunk_shape=(2, 3), codecs=codecs, index_codecs=index, index_location=location), compressors=None)
        a[0:5, 0:7] = values("f4", (5, 7))
        a[2:4, 0:3] = -1  # one inner chunk all fill, one shard partly absent
        note(s, name, a)
    zarr.consolidate_metadata(g.store)

    g, s = group("v3-shapes", 3)
    shapes(g, s)
    for name, separator in itertools.product(["default", "v2"], "./"):
        put(g, s, f"keys-{name}-{'dot' if separator == '.' else 'slash'}", values("u2"), chunk_key_encoding=dict(name=name, separator=separator))
    put(g, s, "keys-v2-scalar", np.array(7, "i4"), chunks=(), chunk_key_encoding=dict(name="v2", separator="."))


def nested():
    g, _ = group("nested", 3)
    inner = g.create_group("a").create_group("b")
    put(inner, "nested", "x", values("i4"))
    expected[-1]["group"] = "a/b"
    g.create_array("strings", shape=(2,), chunks=(2,), dtype=str)
    zarr.consolidate_metadata(g.store)


v2()
v3()
nested()
json.dump(dict(zarr=zarr.__version__, arrays=expected), sys.stdout)
