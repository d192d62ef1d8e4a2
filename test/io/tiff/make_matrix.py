"""TIFF files of every kind that the reader claims, written by GDAL, and what GDAL reads from them.

python make_matrix.py FOLDER writes FOLDER/*.tif and FOLDER/manifest.json: a list of
{file, dtype, shape, sha256, nodata, scales, offsets, descriptions, transform, epsg, overviews: [{shape, sha256}],
mask: sha256 | null, refused: name | null, near: file | null}. `near` names the raw pixels of a lossy file. Hashes are of the pixels that GDAL reads: (band, y, x), C order, little-endian.
"""

import hashlib
import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

warnings.simplefilter("ignore", NotGeoreferencedWarning)
HEIGHT, WIDTH = 200, 300
FOLDER = Path(sys.argv[1])
RNG = np.random.default_rng(7)
MANIFEST = []
UTM = Affine(10, 0, 500000, 0, -10, 5800000)


def pixels(dtype, bands=1, height=HEIGHT, width=WIDTH, bits=None):
    """A smooth field with noise: compressible, never constant, over the whole range of the type."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([np.sin(x / 17 + b) * np.cos(y / 11) for b in range(bands)])
    noise = RNG.integers(0, 5, smooth.shape)
    kind = np.dtype(dtype).kind
    if kind == "c":
        return (smooth * 100 + 1j * noise).astype(dtype)
    if kind == "f":
        return (smooth * 1000 + noise / 8).astype(dtype)
    info = np.iinfo(dtype)
    top = int(info.max) if bits is None else 2**bits - 1
    middle = (top + int(info.min if bits is None else 0)) // 2
    spread = (top - middle) * 0.9
    return (middle + (smooth * spread).astype("int64") + noise).astype(dtype) if kind == "i" or info.bits < 64 else (
        np.uint64(middle) + (smooth * 1e15).astype("int64").astype("uint64") + noise.astype("uint64")
    )


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def number(v):
    return str(v) if isinstance(v, float) and not math.isfinite(v) else v


def record(name, as_dtype=None, refused=None, near=False):
    path = FOLDER / name
    with rasterio.open(path) as d:
        cast = (lambda a: a.astype(as_dtype)) if as_dtype else (lambda a: a)
        entry = {"file": name, "dtype": as_dtype or d.dtypes[0], "shape": [d.count, d.height, d.width], "refused": refused}
        entry |= {"nodata": number(d.nodata), "scales": list(d.scales), "offsets": list(d.offsets)}
        entry |= {"descriptions": list(d.descriptions), "epsg": d.crs.to_epsg() if d.crs else None}
        entry["transform"] = None if d.transform == Affine.identity() else list(d.transform)[:6]
        entry["gcps"] = [[g.col, g.row, g.x, g.y, g.z or 0] for g in d.gcps[0]]
        entry |= {"mask": None, "near": f"{name}.raw" if near else None}
        if near:
            d.read().tofile(FOLDER / f"{name}.raw")
        if refused is None:
            entry["sha256"] = digest(cast(d.read()))
            if rasterio.enums.MaskFlags.per_dataset in d.mask_flag_enums[0] and len(d.mask_flag_enums[0]) == 1:
                entry["mask"] = digest((d.dataset_mask() > 0).astype("uint8"))
        entry["overviews"] = []
        for level in range(len(d.overviews(1))):
            with rasterio.open(path, overview_level=level) as o:
                pixel_hash = None if refused else digest(cast(o.read()))
                entry["overviews"].append({"shape": [o.count, o.height, o.width], "sha256": pixel_hash})
    MANIFEST.append(entry)


def write(name, data, refused=None, as_dtype=None, after=None, near=False, **options):
    profile = {"driver": "GTiff", "dtype": data.dtype.name, "count": data.shape[0]}
    profile |= {"height": data.shape[1], "width": data.shape[2], **options}
    with rasterio.open(FOLDER / name, "w", **profile) as d:
        if after:
            after(d)
        d.write(data)
    record(name, as_dtype, refused, near)


TILES = {"tiled": True, "blockxsize": 64, "blockysize": 64}
STRIPS = {"tiled": False, "blockysize": 13}
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def types_and_codecs():
    for dtype in DTYPES:
        data = pixels(dtype)
        wide = np.dtype(dtype).itemsize
        for codec in ["NONE", "LZW", "DEFLATE", "ZSTD", "PACKBITS"]:
            predictors = [1] if codec in ("NONE", "PACKBITS") else [1, 2, 3] if data.dtype.kind == "f" else [1, 2]
            for predictor in predictors:
                extra = {} if predictor == 1 else {"predictor": predictor}
                for layout, shape in (("tiles", TILES), ("strips", STRIPS)):
                    name = f"{dtype}-{codec}-{predictor}-{layout}.tif".lower()
                    write(name, data, compress=codec, **extra, **shape)
        assert wide <= 8


def bands_and_orders():
    for dtype in ["uint8", "uint16", "float32"]:
        data = pixels(dtype, bands=3)
        for interleave in ["pixel", "band"]:
            for predictor in [1, 2] + ([3] if dtype == "float32" else []):
                for big in ["NO", "YES"]:
                    for order in ["LITTLE", "BIG"]:
                        name = f"bands-{dtype}-{interleave}-{predictor}-big{big}-{order}.tif".lower()
                        options = {"interleave": interleave, "compress": "DEFLATE", "BIGTIFF": big, "ENDIANNESS": order}
                        write(name, data, predictor=predictor, photometric="MINISBLACK", **options, **TILES)
    for dtype in ["int16", "uint32", "float64", "int64"]:
        for codec in ["NONE", "LZW", "PACKBITS"]:
            extra = {"predictor": 2} if codec == "LZW" else {}
            write(f"mm-{dtype}-{codec}.tif".lower(), pixels(dtype), compress=codec, ENDIANNESS="BIG", **extra, **STRIPS)
    for order in ["LITTLE", "BIG"]:
        data = pixels("uint16", height=1024, width=1024)
        options = {"tiled": True, "blockxsize": 32, "blockysize": 32, "ENDIANNESS": order}
        write(f"many-tiles-{order}.tif".lower(), data, compress="DEFLATE", **options)


def odd_bits():
    for bits in [1, 2, 4, 7, 10, 12, 15, 17, 24, 31]:
        dtype = "uint8" if bits < 8 else "uint16" if bits < 16 else "uint32"
        data = (pixels("uint32", bits=bits) % 2**bits).astype(dtype)
        for order in ["LITTLE", "BIG"]:
            write(f"bits-{bits}-{order}.tif".lower(), data, NBITS=bits, compress="LZW", ENDIANNESS=order, **TILES)
    write("bits-12-bands.tif", pixels("uint16", bands=3, bits=12), NBITS=12, interleave="pixel", photometric="MINISBLACK")
    half = pixels("float32").astype("float16").astype("float32")
    for predictor in [1, 3]:
        write(f"float16-{predictor}.tif", half, as_dtype="float16", NBITS=16, compress="DEFLATE", predictor=predictor, **TILES)


def georeferencing():
    data = pixels("int16")
    write("utm.tif", data, crs="EPSG:32631", transform=UTM, nodata=-9999)
    write("geographic.tif", data, crs="EPSG:4326", transform=Affine(0.01, 0, 5, 0, -0.01, 52))
    write("rotated.tif", data, crs="EPSG:32631", transform=Affine(10, 2, 500000, 1, -10, 5800000))
    write("south-up.tif", data, crs="EPSG:32631", transform=Affine(10, 0, 500000, 0, 10, 5800000))
    points = [GroundControlPoint(r, c, 5 + c / 100, 52 - r / 100, 7) for r in (0, 199) for c in (0, 299)]
    write("gcps.tif", data, after=lambda d: setattr(d, "gcps", (points, rasterio.CRS.from_epsg(4326))))
    for name, value in [("zero", 0), ("large", 32767)]:
        write(f"nodata-{name}.tif", data, nodata=value)
    write("nodata-nan.tif", pixels("float32"), nodata=float("nan"))
    write("nodata-lowest.tif", pixels("float32"), nodata=-3.4028234663852886e38)
    write("nodata-inf.tif", pixels("float64"), nodata=float("-inf"))
    point = data.copy()
    write("point.tif", point, crs="EPSG:32631", transform=UTM, after=lambda d: d.update_tags(AREA_OR_POINT="Point"))

    def describe(d):
        d.scales, d.offsets = (0.0001, 2, 1), (-0.1, 0, 3)
        d.descriptions = ("red", "a <b> & \"c\"", None)
        d.update_tags(NOTE="x < y & z")

    write("scaled.tif", pixels("uint16", bands=3), after=describe, photometric="MINISBLACK")


def sparse_masks_overviews():
    data = pixels("uint16")
    for nodata in [None, 7]:
        holes = data.copy()
        holes[:, :128, :128] = nodata or 0
        write(f"sparse-{nodata}.tif", holes, SPARSE_OK="TRUE", compress="DEFLATE", nodata=nodata, **TILES)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        name = "masked.tif"
        profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "height": HEIGHT, "width": WIDTH, **TILES}
        with rasterio.open(FOLDER / name, "w", compress="DEFLATE", **profile) as d:
            d.write(data)
            d.write_mask((data[0] % 3 > 0).astype("uint8") * 255)
        record(name)
    for dtype, bands in [("uint16", 1), ("float32", 3)]:
        name = f"overviews-{dtype}.tif"
        large = pixels(dtype, bands=bands, height=500, width=700)
        profile = {"driver": "GTiff", "dtype": dtype, "count": bands, "height": 500, "width": 700, "compress": "LZW", **TILES}
        with rasterio.open(FOLDER / name, "w", photometric="MINISBLACK", **profile) as d:
            d.write(large)
            d.build_overviews([2, 4, 8], Resampling.average)
        record(name)
    name = "cog.tif"
    large = pixels("int16", height=700, width=1000)
    with rasterio.io.MemoryFile() as memory:
        with memory.open(driver="GTiff", dtype="int16", count=1, height=700, width=1000, crs="EPSG:32631", transform=UTM) as d:
            d.write(large)
        with memory.open() as d:
            rasterio.shutil.copy(d, FOLDER / name, driver="COG", blocksize=128, compress="ZSTD", predictor="YES")
    record(name)
    write("one-strip.tif", pixels("float64", height=900, width=300), tiled=False, blockysize=900)
    write("tiny.tif", pixels("uint8", height=1, width=1))


def lossy():
    write("jpeg-grey.tif", pixels("uint8"), near=True, compress="JPEG", **TILES)
    write("jpeg-strips.tif", pixels("uint8"), near=True, compress="JPEG", tiled=False, blockysize=16)
    rgb = pixels("uint8", bands=3)
    write("jpeg-rgb.tif", rgb, near=True, compress="JPEG", photometric="RGB", interleave="pixel", **TILES)
    write("jpeg-planar.tif", rgb, near=True, compress="JPEG", photometric="MINISBLACK", interleave="band", **TILES)


def refusals():
    for dtype in ["complex64", "complex128", "complex_int16"]:
        name = "int16" if dtype == "complex_int16" else dtype
        data = pixels("int16") if name == "int16" else pixels(dtype)
        if dtype == "complex_int16":
            profile = {"driver": "GTiff", "dtype": dtype, "count": 1, "height": HEIGHT, "width": WIDTH}
            with rasterio.open(FOLDER / "cint16.tif", "w", **profile) as d:
                d.write(data.astype("complex64"))
            record("cint16.tif", refused="complex")
        else:
            write(f"{dtype}.tif", data, refused="complex")
    write("jpeg.tif", pixels("uint8", bands=3), refused="jpeg", compress="JPEG", photometric="YCBCR", interleave="pixel", **TILES)
    for codec in ["LERC", "WEBP", "LZMA"]:
        bands = 3 if codec == "WEBP" else 1
        extra = {"interleave": "pixel"} if codec == "WEBP" else {}
        try:
            write(f"{codec}.tif".lower(), pixels("uint8", bands=bands), refused=codec.lower(), compress=codec, **extra, **TILES)
        except Exception as e:  # this build of GDAL lacks the codec
            print(f"left out: {codec}: {e}", file=sys.stderr)


FOLDER.mkdir(parents=True, exist_ok=True)
for part in [types_and_codecs, bands_and_orders, odd_bits, georeferencing, sparse_masks_overviews, lossy, refusals]:
    part()
(FOLDER / "manifest.json").write_text(json.dumps(MANIFEST))
print(json.dumps({"gdal": rasterio.__gdal_version__, "files": len(MANIFEST)}))
