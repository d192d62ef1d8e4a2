"""What GDAL makes of COGs: python check_cogs.py FILE... prints one JSON list, an object per file.

Validity is that of rio-cogeo, which holds GDAL's `validate_cloud_optimized_geotiff` against the file; every tile frame is
checked here as that script's full check does: leader = size, trailer = last four bytes, tiles in row-major order.
"""

import hashlib
import json
import math
import struct
import sys

import numpy as np
import rasterio
from rio_cogeo.cogeo import cog_validate


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def number(v):
    return str(v) if isinstance(v, float) and not math.isfinite(v) else v


def frames(path, planar):
    """Problems of the framing of all tiles of all levels."""
    data = open(path, "rb").read()
    big = data[2] == 43
    at = struct.unpack("<Q", data[8:16])[0] if big else struct.unpack("<I", data[4:8])[0]
    problems, first_of_level = [], []
    while at:
        count = struct.unpack("<Q", data[at : at + 8])[0] if big else struct.unpack("<H", data[at : at + 2])[0]
        entry, size = (at + 8, 20) if big else (at + 2, 12)
        tags = []
        tables = {}
        for _ in range(count):
            tag, kind = struct.unpack("<HH", data[entry : entry + 4])
            n = struct.unpack("<Q", data[entry + 4 : entry + 12])[0] if big else struct.unpack("<I", data[entry + 4 : entry + 8])[0]
            code, width = {3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}.get(kind, ("B", 1))
            place = entry + (12 if big else 8)
            if n * width > (8 if big else 4):
                place = struct.unpack("<Q", data[place : place + 8])[0] if big else struct.unpack("<I", data[place : place + 4])[0]
            if tag in (324, 325):
                tables[tag] = struct.unpack(f"<{n}{code}", data[place : place + n * width])
            tags.append(tag)
            entry += size
        if tags != sorted(tags):
            problems.append(f"tags of {at} are not ascending")
        placed = [(o, c) for o, c in zip(tables[324], tables[325]) if o]
        for offset, length in placed:
            if struct.unpack("<I", data[offset - 4 : offset])[0] != length:
                problems.append(f"leader of the tile at {offset}")
            if data[offset + length - 4 : offset + length] != data[offset + length : offset + length + 4]:
                problems.append(f"trailer of the tile at {offset}")
        if not planar and placed != sorted(placed):
            problems.append(f"tiles of {at} are not in order")
        first_of_level.append(min((o for o, _ in placed), default=None))
        at = struct.unpack("<Q", data[entry : entry + 8])[0] if big else struct.unpack("<I", data[entry : entry + 4])[0]
    firsts = [f for f in first_of_level if f is not None]
    if firsts != sorted(firsts, reverse=True):
        problems.append("levels are not from coarse to fine")
    return {"big": big, "problems": problems}


def describe(path):
    valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
    with rasterio.open(path) as d:
        structure = d.tags(ns="IMAGE_STRUCTURE")
        entry = {"valid": valid, "errors": errors + warnings, "layout": structure.get("LAYOUT"), "dtype": d.dtypes[0]}
        entry |= {"shape": list(d.shape), "count": d.count, "nodata": number(d.nodata), "scales": list(d.scales)}
        entry |= {"offsets": list(d.offsets), "descriptions": list(d.descriptions), "units": list(d.units)}
        entry |= {"epsg": d.crs.to_epsg() if d.crs else None, "wkt": d.crs.to_wkt() if d.crs else None}
        entry |= {"transform": list(d.transform)[:6], "tags": d.tags(), "block": list(d.block_shapes[0])}
        entry |= {"compression": structure.get("COMPRESSION"), "predictor": structure.get("PREDICTOR")}
        entry |= {"interleave": structure.get("INTERLEAVE"), "colorinterp": d.colorinterp[0].name}
        entry["sha256"] = [digest(d.read())]
        entry |= frames(path, structure.get("INTERLEAVE") == "BAND" and d.count > 1)
        for level in range(len(d.overviews(1))):
            with rasterio.open(path, overview_level=level) as o:
                entry["sha256"].append(digest(o.read()))
    return entry


print(json.dumps([describe(path) for path in sys.argv[1:]]))
