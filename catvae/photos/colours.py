"""The colour space of a file that describes it by numbers and has no profile, as a profile for ImageCms.

PNG has the chunks cICP, gAMA and cHRM for it, AVIF and HEIF have nclx (ITU-T H.273). They are read as Chromium reads
them. A colour space that no browser knows counts as sRGB, as in a file that says nothing.
"""

import struct
from collections.abc import Callable

import numpy as np
from PIL import Image

Primaries = tuple[float, ...]  # x and y of white, red, green and blue
D65, DCI, C = (0.3127, 0.329), (0.314, 0.351), (0.31, 0.316)
SRGB_PRIMARIES: Primaries = (*D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
PRIMARIES: dict[int, Primaries] = {  # by their number in H.273
    1: SRGB_PRIMARIES,
    4: (*C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    8: (*C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (*DCI, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    22: (*D65, 0.63, 0.34, 0.295, 0.605, 0.155, 0.077),
}
# light of the screen, in nits, to light of an sRGB picture: measured from what Chromium 156 paints on a canvas
NITS = (0.0, 207.0, 305.0, 454.0, 560.0, 681.0, 1000.0)
TONES = (0.0, 0.509, 0.658, 0.776, 0.847, 0.896, 1.0)
D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
INPUTS = np.linspace(0, 1, 4096)


def _srgb(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _smpte_240(value: np.ndarray) -> np.ndarray:
    return np.where(value < 0.0913, value / 4, ((value + 0.1115) / 1.1115) ** (1 / 0.45))


def _pq(value: np.ndarray) -> np.ndarray:
    power = value ** (1 / 78.84375)
    light = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    return np.interp(10_000 * light, NITS, TONES)


def _hlg(value: np.ndarray) -> np.ndarray:
    scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    return np.interp(1000 * scene**1.2, NITS, TONES)


def _power(exponent: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda value: value**exponent


# how a stored value becomes light, each in [0, 1], by its number in H.273
TRANSFERS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    **dict.fromkeys((1, 6, 11, 14, 15), _power(2.4)),
    4: _power(2.2),
    5: _power(2.8),
    7: _smpte_240,
    8: _power(1),
    13: _srgb,
    16: _pq,
    17: lambda value: 52.37 / 48 * value**2.6,
    18: _hlg,
}
OF_VIDEO = (1, 6, 11, 14, 15)  # in AVIF and HEIF these are sRGB: cameras and encoders write them without meaning it


def told_profile(image: Image.Image) -> bytes | None:
    """The ICC profile of the colours that an opened, not yet loaded picture tells by numbers; None where it tells none,
    where a profile in the file goes before them, and where they are sRGB."""
    if image.format == "PNG":
        return _told_by_png(image)
    if "icc_profile" in image.info:
        return None
    nclx = image.info.get("nclx_profile")  # of HEIF
    if nclx:
        numbers = nclx["color_primaries"], nclx["transfer_characteristics"]
    elif image.format == "AVIF":
        header = _beginning(image, 1 << 16)
        place = header.find(b"colrnclx") + 8
        if place < 8 or len(header) < place + 4:
            return None
        numbers = struct.unpack_from(">HH", header, place)
    else:
        return None
    primaries, transfer = map(int, numbers)
    return _numbered(primaries, 13 if transfer in OF_VIDEO else transfer)


def _told_by_png(image: Image.Image) -> bytes | None:
    cicp = _chunk(_beginning(image, 1 << 20), b"cICP")
    if len(cicp) == 4 and cicp[2] == 0:
        return _numbered(cicp[0], cicp[1])
    gamma, primaries = image.info.get("gamma", 0), image.info.get("chromaticity", SRGB_PRIMARIES)
    if "icc_profile" in image.info or "srgb" in image.info or not gamma:
        return None
    if primaries == SRGB_PRIMARIES and abs(2.2 * gamma - 1) < 0.05:
        return None
    return icc_profile(primaries, _power(1 / gamma))


def _numbered(primaries: int, transfer: int) -> bytes | None:
    known = PRIMARIES.get(primaries, SRGB_PRIMARIES), TRANSFERS.get(transfer, _srgb)
    return None if known == (SRGB_PRIMARIES, _srgb) else icc_profile(*known)


def _beginning(image: Image.Image, count: int) -> bytes:
    """The first bytes of an opened picture's file; none where it has no file any more."""
    file = getattr(image, "fp", None)
    if file is None:
        return b""
    place = file.tell()
    file.seek(0)
    content = file.read(count)
    file.seek(place)
    return content


def _chunk(png: bytes, name: bytes) -> bytes:
    """What a chunk before the pixels of a PNG holds; nothing where it is not there."""
    place = 8
    while place + 12 <= len(png) and (kind := png[place + 4 : place + 8]) != b"IDAT":
        length = int.from_bytes(png[place : place + 4])
        if kind == name:
            return png[place + 8 : place + 8 + length]
        place += 12 + length
    return b""


def icc_profile(primaries: Primaries, transfer: Callable[[np.ndarray], np.ndarray]) -> bytes | None:
    """An ICC profile (version 2, matrix and curve, for RGB) of white and primaries, x and y each, and of the function
    from values to light, both in [0, 1]. None for primaries that span no colours."""
    try:
        white, *colours = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in zip(*[iter(primaries)] * 2, strict=True))
        matrix = np.stack(colours, 1)
        matrix = matrix * np.linalg.solve(matrix, white)
        adapt = np.linalg.solve(BRADFORD, np.diag(BRADFORD @ D50 / (BRADFORD @ white)) @ BRADFORD)
        numbers = np.round(65536 * np.column_stack([adapt @ matrix, D50])).astype(">i4")
    except (ZeroDivisionError, ValueError, np.linalg.LinAlgError):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        light = np.nan_to_num(transfer(INPUTS)).clip(0, 1)
    curve = b"curv" + struct.pack(">II", 0, len(INPUTS)) + np.round(65535 * light).astype(">u2").tobytes()
    points = [b"XYZ \0\0\0\0" + numbers[:, i].tobytes() for i in range(4)]
    start = 128 + 4 + 12 * 7
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt")
    table = b"".join(struct.pack(">4sII", name, start + 20 * i, 20) for i, name in enumerate(names))
    table += b"".join(struct.pack(">4sII", name, start + 80, len(curve)) for name in (b"rTRC", b"gTRC", b"bTRC"))
    body = struct.pack(">I", 7) + table + b"".join(points) + curve
    head = struct.pack(">I4xI4s4s4s12x4s", 128 + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return head.ljust(68, b"\0") + numbers[:, 3].tobytes().ljust(60, b"\0") + body
