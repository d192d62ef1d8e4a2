"""Writes fixtures/codecs.json: streams made by numcodecs and by GDAL, with what they decode to.

Run: python make_fixtures.py [--check]  (numpy, numcodecs, rasterio)
"""
import base64
import json
import struct
import sys
from pathlib import Path

import numcodecs
import numpy as np
import rasterio
from rasterio.io import MemoryFile

sys.path.append(str(Path(__file__).resolve().parents[2] / "oracle"))
from committed import committed  # noqa: E402

rng = np.random.default_rng(20240607)


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def scene(dtype, n):
    """Smooth values with noise: compresses about as a scene does."""
    t = np.arange(n)
    v = 900 + 500 * np.sin(t / 37.0) + rng.integers(0, 24, n)
    return (v % 251 if np.dtype(dtype).itemsize == 1 else v).astype(dtype)


cases = []
raws = []


def raw_index(raw):
    """Decoded bytes are stored once and named by their place."""
    text = b64(raw)
    if text not in raws:
        raws.append(text)
    return raws.index(text)


def byte_codec(name, id, options, raw, encoded):
    cases.append(dict(name=name, id=id, options=options, raw=raw_index(raw), encoded=b64(encoded)))


def numcodecs_cases():
    for dtype, n in [("u1", 700), ("u2", 1000), ("u2", 1001), ("f4", 500), ("f8", 253)]:
        raw = scene(dtype, n).tobytes()
        item = np.dtype(dtype).itemsize
        for cname in ["lz4", "lz4hc", "zstd", "zlib"]:
            if cname in ("lz4hc", "zlib") and dtype != "u2":
                continue
            for shuffle in [0, 1, 2]:
                # numcodecs takes the item size from the buffer.
                codec = numcodecs.Blosc(cname=cname, clevel=5, shuffle=shuffle, blocksize=1024 if cname == "lz4" else 0)
                encoded = codec.encode(np.frombuffer(raw, dtype))
                byte_codec(f"blosc {cname} shuffle {shuffle} {dtype} x {n}", "blosc",
                           dict(cname=cname, clevel=5, shuffle=shuffle, typesize=item), raw, encoded)
    noise = rng.integers(0, 256, 500, dtype="u1").tobytes()
    byte_codec("blosc stored", "blosc", dict(cname="lz4", clevel=5, shuffle=1), noise,
               numcodecs.Blosc(cname="lz4", clevel=5).encode(noise))
    byte_codec("blosc empty", "blosc", dict(cname="zstd", clevel=5, shuffle=1), b"",
               numcodecs.Blosc(cname="zstd", clevel=5).encode(b""))
    raw = scene("i4", 500).tobytes()
    for id, options in [("zlib", dict(level=6)), ("gzip", dict(level=1)), ("zstd", dict(level=3)), ("lz4", dict(acceleration=1)),
                        ("zstd", dict(level=-5, checksum=True))]:
        codec = numcodecs.get_codec(dict(id=id, **options))
        encoded = bytes(codec.encode(raw))
        if id == "gzip":
            encoded = encoded[:4] + bytes(4) + encoded[8:]  # the time of compression, RFC 1952 §2.3.1
        byte_codec(f"{id} {options}", id, options, raw, encoded)
    for size in [2, 4, 8]:
        byte_codec(f"shuffle {size}", "shuffle", dict(elementsize=size), raw, numcodecs.Shuffle(size).encode(raw))
    runs = np.repeat(rng.integers(0, 9, 60, dtype="u1"), rng.integers(1, 400, 60)).tobytes()
    byte_codec("lz4 long runs", "lz4", {}, runs, numcodecs.LZ4().encode(runs))
    byte_codec("crc32c", "crc32c", {}, raw, numcodecs.get_codec(dict(id="crc32c")).encode(raw))
    byte_codec("crc32c of 9 bytes", "crc32c", {}, b"123456789", numcodecs.get_codec(dict(id="crc32c")).encode(b"123456789"))


def first_strip(tiff):
    """Bytes of the only strip of a little-endian classic TIFF."""
    assert tiff[:4] == b"II*\0"
    at = struct.unpack_from("<I", tiff, 4)[0]
    tags = {}
    for k in range(struct.unpack_from("<H", tiff, at)[0]):
        tag, kind, count, value = struct.unpack_from("<HHII", tiff, at + 2 + 12 * k)
        tags[tag] = (value & 0xFFFF if kind == 3 and count == 1 else value, count)
    assert tags[273][1] == 1, "one strip"
    return tiff[tags[273][0]: tags[273][0] + tags[279][0]]


def tiff_cases():
    height, width = 11, 53
    jobs = [("u1", c, 1, s) for c in ["LZW", "PACKBITS", "DEFLATE", "ZSTD"] for s in [1, 3]]
    jobs += [(d, "LZW", 2, s) for d in ["u1", "u2", "i4", "i8"] for s in [1, 3]]
    jobs += [(d, "DEFLATE", 3, s) for d in ["f4", "f8"] for s in [1, 4]]
    jobs += [("u2", "LZW", 1, 1)]
    for dtype, compress, predictor, samples in jobs:
        values = scene(dtype, samples * height * width).reshape(samples, height, width)
        if dtype in ("i8",):
            values = values * 4_000_000_007  # carries between the words
        if dtype.startswith("f"):
            values = (values / 7.0).astype(dtype)
        profile = dict(driver="GTiff", height=height, width=width, count=samples, dtype=values.dtype.name, compress=compress,
                       blockysize=height, interleave="pixel")
        if compress in ("LZW", "DEFLATE", "ZSTD"):
            profile["predictor"] = predictor
        with MemoryFile() as memory:
            with memory.open(**profile) as out:
                out.write(values)
            encoded = first_strip(bytes(memory.getbuffer()))
        cases.append(dict(name=f"tiff {compress} predictor {predictor} {dtype} x {samples}",
                          id=dict(LZW="lzw", PACKBITS="packbits", DEFLATE="zlib", ZSTD="zstd")[compress],
                          options=dict(rowBytes=width * samples * values.itemsize) if compress == "PACKBITS" else {},
                          predictor=predictor, rows=height, width=width, samples=samples, itemsize=values.itemsize,
                          raw=raw_index(np.moveaxis(values, 0, 2).tobytes()), encoded=b64(encoded)))


def long_lzw():
    """Long enough to fill the code table and clear it, with little to gain (libtiff clears early otherwise)."""
    values = scene("u2", 9000).reshape(1, 90, 100)
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", height=90, width=100, count=1, dtype="uint16", compress="LZW", blockysize=90) as out:
            out.write(values)
        encoded = first_strip(bytes(memory.getbuffer()))
    cases.append(dict(name="tiff LZW long", id="lzw", options={}, predictor=1, rows=90, width=100, samples=1, itemsize=2,
                      raw=raw_index(values.tobytes()), encoded=b64(encoded)))


numcodecs_cases()
tiff_cases()
long_lzw()
out = Path(__file__).parent / "fixtures" / "codecs.json"
committed(out, json.dumps(dict(made_by=f"numcodecs {numcodecs.__version__}, GDAL {rasterio.__gdal_version__}", raws=raws, cases=cases), indent=0) + "\n")
