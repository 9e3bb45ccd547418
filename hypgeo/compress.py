"""Points of exact manifolds in few bits: integers exactly, offsets at the bits asked for, both entropy-coded.

As in Yu & De Sa (NeurIPS 2019, section 5) the integer part of a tiling's point is kept whole and the offset in its tile
shortened; here an integer is said relative to that of a near point, its parent where there is one, so that the digits
they share are written once.  What is left goes through the standard library's coders, whichever is shortest.  Nothing
that is read is ever executed, and no stream can grow beyond the size that its reader expects.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from hypgeo.ops.integers import FORMS, from_limbs, scaled, shifted, to_limbs

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Streams = dict[str, bytes]

# ---- bytes ----------------------------------------------------------------------------------------------------------

_RECORDS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 1, "lp": 3, "pb": 3}]
_PLANES = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]
_CHUNK = 4096  # integers whose bits are joined at a time


def _huffman(data: bytes) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    return coder.compress(data) + coder.flush()


# how a stream is written: as it is or byte by byte of all its records, by which coder
_WAYS: list[tuple[bool, Callable[[bytes], bytes], Callable[[bytes, int], bytes]]] = [
    (False, bytes, lambda data, size: data),
    (True, _huffman, lambda data, size: zlib.decompressobj(-15).decompress(data, size)),
    (
        False,
        lambda data: lzma.compress(data, lzma.FORMAT_RAW, filters=_RECORDS),
        lambda data, size: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_RECORDS).decompress(data, size),
    ),
    (
        True,
        lambda data: lzma.compress(data, lzma.FORMAT_RAW, filters=_PLANES),
        lambda data, size: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_PLANES).decompress(data, size),
    ),
    (False, bz2.compress, lambda data, size: bz2.BZ2Decompressor().decompress(data, size)),
]
_OF_RECORDS = 2


def press(records: Array) -> bytes:
    """Records (n, w) of bytes, in the shortest of a few ways."""
    plain, planes = records.tobytes(), np.ascontiguousarray(records.T).tobytes()
    ways = [tag for tag in range(len(_WAYS)) if tag != _OF_RECORDS or records.shape[1] > 1]
    return min((bytes([tag]) + _WAYS[tag][1](planes if _WAYS[tag][0] else plain) for tag in ways), key=len)


def unpress(data: bytes, n: int, width: int) -> npt.NDArray[np.uint8]:
    """What `press` was given; ValueError where the stream holds anything else."""
    if not data or data[0] >= len(_WAYS):
        raise ValueError("a compressed part of it starts with an unknown mark.")
    turned, _, unpack = _WAYS[data[0]]
    try:
        found = unpack(data[1:], n * width + 1)
    except (lzma.LZMAError, zlib.error, OSError, EOFError) as error:
        raise ValueError(f"a compressed part of it cannot be read ({error}).") from None
    if len(found) != n * width:
        raise ValueError(f"a compressed part of it holds not {n * width:,} bytes but {len(found):,} or more.")
    whole = np.frombuffer(found, dtype=np.uint8)
    return whole.reshape(width, n).T if turned else whole.reshape(n, width)


def press_floats(values: Array) -> bytes:
    """Floats, every bit of them."""
    column = np.ascontiguousarray(values)
    return press(column.astype(column.dtype.newbyteorder("<")).view(np.uint8).reshape(len(column), column.itemsize))


def unpress_floats(data: bytes, n: int, dtype: npt.DTypeLike) -> Array:
    kind = np.dtype(dtype)
    rows = np.ascontiguousarray(unpress(data, n, kind.itemsize))
    return rows.view(kind.newbyteorder("<")).reshape(n).astype(kind)


_SIGNED = 16


def press_ints(values: Ints) -> bytes:
    """64-bit integers, small ones in few bytes."""
    signed = bool((values < 0).any())
    folded = values << 1 ^ values >> 63 if signed else values
    rows = folded.astype("<i8").view(np.uint8).reshape(len(values), 8)
    width = max((i + 1 for i in range(8) if rows[:, i].any()), default=1)
    return bytes([width + _SIGNED * signed]) + press(rows[:, :width])


def unpress_ints(data: bytes, n: int) -> Ints:
    signed, width = divmod(data[0] if data else 0, _SIGNED)
    if not (1 <= width <= 8 and signed <= 1):
        raise ValueError("a compressed part of it has integers of no known width.")
    rows = np.zeros((n, 8), dtype=np.uint8)
    rows[:, :width] = unpress(data[1:], n, width)
    folded = rows.view("<u8").reshape(n).astype(np.uint64)
    if not signed:
        return folded.astype(np.int64)
    return (folded >> np.uint64(1)).astype(np.int64) ^ -(folded & np.uint64(1)).astype(np.int64)


def press_big(values: Sequence[int]) -> tuple[bytes, bytes]:
    """Integers of any size: their lengths, and their bits below the leading one."""
    folded = [v << 1 if v >= 0 else ~(v << 1) for v in values]
    lengths = np.array([v.bit_length() for v in folded], dtype=np.int64)
    parts = []
    for start in range(0, len(folded), _CHUNK):
        text = "".join(f"{v:b}"[1:] for v in folded[start : start + _CHUNK] if v)
        parts.append(np.packbits(np.frombuffer(text.encode(), dtype=np.uint8) & 1).tobytes())
    return press_ints(lengths), press(np.frombuffer(b"".join(parts), dtype=np.uint8)[:, None])


def unpress_big(lengths: bytes, bits: bytes, n: int) -> list[int]:
    sizes = unpress_ints(lengths, n)
    if n and not 0 <= int(sizes.min()) <= int(sizes.max()) < 1 << 40:
        raise ValueError("a compressed part of it has integers of impossible length.")
    ends = [np.cumsum(np.maximum(sizes[start : start + _CHUNK] - 1, 0)) for start in range(0, n, _CHUNK)]
    data = unpress(bits, sum(-(-int(end[-1]) // 8) for end in ends), 1).tobytes()
    out: list[int] = []
    at = 0
    for end, start in zip(ends, range(0, n, _CHUNK), strict=True):
        size = -(-int(end[-1]) // 8)
        text = (np.unpackbits(np.frombuffer(data[at : at + size], dtype=np.uint8)) + 48).tobytes().decode()
        at += size
        begin = 0
        for stop, length in zip(end.tolist(), sizes[start : start + _CHUNK].tolist(), strict=True):
            v = int("1" + text[begin:stop], 2) if length else 0
            out.append(v >> 1 if not v & 1 else ~(v >> 1))
            begin = stop
    return out


# ---- which point a point is told from -------------------------------------------------------------------------------


def outwards(reference: Sequence[int]) -> list[int]:
    """Nodes in an order in which each comes after the one it is told from (-1: none), those that go round left out."""
    below: list[list[int]] = [[] for _ in reference]
    order: list[int] = []
    for i, p in enumerate(reference):
        (order if p < 0 else below[p]).append(i)
    for i in order:  # grows while it is read
        order += below[i]
    return order


def _straight(reference: Sequence[int]) -> list[int]:
    """The references, without those that go round in a circle."""
    reached = set(outwards(reference))
    return [p if i in reached else -1 for i, p in enumerate(reference)]


def nearby(keys: Sequence[Sequence[int]], edges: Ints | None, apart: Callable[[int, int], int]) -> list[int]:
    """For each of n points one to tell it from: a tree of the pairs that are least apart, among edges and neighbours.

    keys: n sequences of non-negative integers, places on one grid; neighbours follow each other in the order of their
    interleaved bits, where points that share leading digits stand together.  Empty: only edges are looked at.
    """
    n = len(keys)
    pairs = [] if edges is None else [edges[edges[:, 0] != edges[:, 1]]]
    if keys[0]:
        order = np.array(sorted(range(n), key=[_woven(key) for key in keys].__getitem__), dtype=np.int64)
        pairs.append(np.stack([order[:-1], order[1:]], axis=1))
    joined = np.unique(np.sort(np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs]), axis=1), axis=0)
    cost = np.array([1.0 + apart(a, b) for a, b in joined.tolist()])
    tree = minimum_spanning_tree(coo_array((cost, (joined[:, 0], joined[:, 1])), shape=(n, n)).tocsr()).tocoo()
    near: list[list[int]] = [[] for _ in range(n)]
    for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True):
        near[a].append(b)
        near[b].append(a)
    reference = [-2] * n
    for start in range(n):
        if reference[start] == -2:
            reference[start], found = -1, [start]
            for a in found:  # grows while it is read
                for b in near[a]:
                    if reference[b] == -2:
                        reference[b] = a
                        found.append(b)
    return reference


def _woven(key: Sequence[int]) -> int:
    """One integer of the bits of all, the leading ones first."""
    if len(key) == 1:
        return key[0]
    width = max(v.bit_length() for v in key) + 1
    text = bytearray(width * len(key))
    for axis, v in enumerate(key):
        text[axis :: len(key)] = f"{v:0{width}b}".encode()
    return int(text, 2)


# ---- offsets --------------------------------------------------------------------------------------------------------


def most_bits(dtype: npt.DTypeLike) -> int:
    """How many bits of an offset can be asked for: those that its floats have after the point."""
    return FORMS[np.dtype(dtype)][0] - 1


def _shortened(x: Array, base: float, bits: int) -> tuple[Ints, Array]:
    """Offsets in [base, base + 1) by their first bits: what is stored, and the middle of the interval that leaves."""
    cell = np.floor((x.astype(np.float64) - base) * 2.0**bits)
    if not ((cell >= 0) & (cell < 2.0**bits)).all():
        raise ValueError("offsets lie outside their tile; bring the points into canonical form before they are saved.")
    return cell.astype(np.int64), _middle(cell.astype(np.int64), base, bits, x.dtype)


def _middle(cell: Ints, base: float, bits: int, dtype: npt.DTypeLike) -> Array:
    half = 0.5 if base == 0 or bits < most_bits(dtype) else 0.0  # a height has no bit left for half of its last one
    return (base + (cell + half) * 2.0**-bits).astype(dtype)


def _cells(data: bytes, n: int, bits: int) -> Ints:
    cell = unpress_ints(data, n)
    if n and not 0 <= int(cell.min()) <= int(cell.max()) < 1 << bits:
        raise ValueError(f"an offset of it has more than {bits} bits.")
    return cell


def half_space_shift(x: Array, y: Array) -> Array:
    """Distance of half-space points (n, d) that lie within a few tiles, row by row."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    found: Array = 2 * np.arcsinh(np.linalg.norm(x - y, axis=1) / (2 * np.sqrt(x[:, -1] * y[:, -1])))
    return found


# ---- the half-space tiling ------------------------------------------------------------------------------------------

_FAR = 1 << 17  # powers of two between points that are told from each other, at most
_GRID = 1 << 32  # bits of the places of all points on the finest grid that any needs, at most


def pack_htiling(points: Array, d: int, reference: Sequence[int], bits: int | None) -> tuple[Streams, Array]:
    """Streams of tiling points (n, d + 1 + (d - 1) L), and the points that they give back."""
    n = len(points)
    back, streams = points.copy(), Streams()
    for axis in range(d):
        if bits is None:
            streams[f"offset.{axis}"] = press_floats(points[:, axis])
        else:
            cell, back[:, axis] = _shortened(points[:, axis], float(axis == d - 1), bits)
            streams[f"offset.{axis}"] = press_ints(cell)
    exponent = points[:, d].astype(np.float64)
    if not ((exponent == np.floor(exponent)) & (np.abs(exponent) <= 2.0**53)).all():
        raise ValueError("an exponent j of a tiling's point is no integer; bring the points into canonical form.")
    j = exponent.astype(np.int64).tolist()
    k = [from_limbs(points[:, d + 1 + axis :: d - 1]) for axis in range(d - 1)]
    told = np.zeros(n, dtype=np.int64)
    rise, rest = np.array(j, dtype=np.int64), [list(column) for column in k]
    offsets = back[:, : d - 1].astype(np.float64).tolist()
    for i, p in enumerate(reference):
        if p < 0 or (expected := _seen(p, j[p] - j[i], k, offsets)) is None:
            continue
        apart = [column[i] - e for column, e in zip(k, expected, strict=True)]
        if sum(v.bit_length() for v in apart) < sum(column[i].bit_length() for column in k):
            told[i], rise[i] = 1, j[i] - j[p]
            for column, v in zip(rest, apart, strict=True):
                column[i] = v
    streams["told"], streams["j"] = press_ints(told), press_ints(rise)
    for axis in range(d - 1):
        streams[f"k.{axis}.length"], streams[f"k.{axis}.bits"] = press_big(rest[axis])
    return streams, back


def htiling_references(points: Array, d: int, edges: Ints | None) -> list[int]:
    """`nearby` of tiling points."""
    j = points[:, d].astype(np.int64).tolist()
    k = [from_limbs(points[:, d + 1 + axis :: d - 1]) for axis in range(d - 1)]
    offsets = points[:, : d - 1].astype(np.float64).tolist()
    low, spread = min(j), max(j) - min(j)
    keys: list[Sequence[int]] = [()] * len(j)
    if spread < _FAR and spread * len(j) < _GRID:
        places = [[v << (e - low) for v, e in zip(column, j, strict=True)] for column in k]
        keys = list(zip(*([v - min(column) for v in column] for column in places), strict=True))

    def apart(a: int, b: int) -> int:
        p, i = (a, b) if j[a] >= j[b] else (b, a)
        expected = _seen(p, j[p] - j[i], k, offsets) or [0] * (d - 1)
        return sum((column[i] - e).bit_length() for column, e in zip(k, expected, strict=True))

    return nearby(keys, edges, apart)


def unpack_htiling(
    streams: Streams, shape: tuple[int, int], d: int, reference: Sequence[int], bits: int | None, dtype: npt.DTypeLike
) -> Array:
    """The points that `pack_htiling` made streams of."""
    n, width = shape
    offset = np.empty((n, d), dtype=dtype)
    for axis in range(d):
        data = streams[f"offset.{axis}"]
        if bits is None:
            offset[:, axis] = unpress_floats(data, n, dtype)
        else:
            offset[:, axis] = _middle(_cells(data, n, bits), float(axis == d - 1), bits, dtype)
    told, j = unpress_ints(streams["told"], n).tolist(), unpress_ints(streams["j"], n).tolist()
    k = [unpress_big(streams[f"k.{axis}.length"], streams[f"k.{axis}.bits"], n) for axis in range(d - 1)]
    offsets = offset[:, : d - 1].astype(np.float64).tolist()
    for i in outwards(reference):
        if told[i] and (p := reference[i]) >= 0:
            j[i] += j[p]
            for column, e in zip(k, _seen(p, j[p] - j[i], k, offsets) or [0] * (d - 1), strict=True):
                column[i] += e
    out = np.empty((n, width), dtype=dtype)
    out[:, :d], out[:, d] = offset, j
    for axis in range(d - 1):
        to_limbs(k[axis], out[:, d + 1 + axis :: d - 1])
    return out


def _seen(p: int, rise: int, k: Sequence[Sequence[int]], offsets: Sequence[Sequence[float]]) -> list[int] | None:
    """The integers that point p would have in tiles 2^-rise as large; None where they would be too many digits."""
    if abs(rise) > _FAR:
        return None
    out = []
    for axis, column in enumerate(k):
        m, e = scaled(offsets[p][axis])
        out.append(shifted(shifted(column[p], -min(e, 0)) + shifted(m, max(e, 0)), rise + min(e, 0)))
    return out


# ---- the plane's integer tiling -------------------------------------------------------------------------------------

Matrix = tuple[int, ...]  # three by three, row by row
_ONE: Matrix = (1, 0, 0, 0, 1, 0, 0, 0, 1)
# generators a and b of the group of 3 x 3 integers that keep diag(3, -1, -1), and their inverses
_A, _A1 = (2, 1, 0, 0, 0, -1, 3, 2, 0), (2, 0, -1, -3, 0, 2, 0, -1, 0)
_B, _B1 = (2, -1, 0, 0, 0, -1, -3, 2, 0), (2, 0, 1, 3, 0, 2, 0, -1, 0)
_LETTERS, _INVERSES = (_A, _B, _B1, _A1), (_A1, _B1, _B, _A)
_LONGEST = 4096  # letters of a word; further apart the nine integers are written


def _times(g: Matrix, h: Matrix) -> Matrix:
    a, b, c, d, e, f, p, q, r = g
    s, t, u, v, w, x, y, z, o = h
    return (
        a * s + b * v + c * y, a * t + b * w + c * z, a * u + b * x + c * o,
        d * s + e * v + f * y, d * t + e * w + f * z, d * u + e * x + f * o,
        p * s + q * v + r * y, p * t + q * w + r * z, p * u + q * x + r * o,
    )  # fmt: skip


def _word(g: Matrix, h: Matrix) -> list[int] | None:
    """Letters whose inverses multiply to w with h = g w, by the way on which the tile goes home; None without."""
    a, b, c, d, e, f, p, q, r = g
    x, y, z = h[0], h[3], h[6]
    # the first column of g^-1 h, g^-1 = M^-1 g^T M with M = diag(3, -1, -1)
    x, y, z = 3 * a * x - d * y - p * z, -3 * b * x + e * y + q * z, -3 * c * x + f * y + r * z
    x, left = divmod(x, 3)
    if left:
        return None
    word: list[int] = []
    while x > 1 and len(word) < _LONGEST:
        letter = 0 if y <= -abs(z) else 1 if y >= abs(z) else 2 if z < 0 else 3
        a, b, c, d, e, f, p, q, r = _LETTERS[letter]
        before, x, y, z = x, a * x + b * y + c * z, d * x + e * y + f * z, p * x + q * y + r * z
        if x >= before:  # each step leads nearer within the group
            return None
        word.append(letter)
    return word if _times(g, _spelt(word)) == h else None


def _spelt(word: Sequence[int]) -> Matrix:
    w = _ONE
    for letter in word:
        w = _times(w, _INVERSES[letter])
    return w


def _inside(x: Array, dtype: npt.DTypeLike) -> Array:
    """Offsets (n, 2) as floats, drawn towards the origin where outside the tile 2 x^2 - y^2 <= 1, 2 y^2 - x^2 <= 1."""
    square, spare = x * x, 4 * float(np.finfo(dtype).eps)
    reach = np.sqrt(np.maximum(2 * square - square[:, ::-1], 0).max(axis=1, initial=0.0)) * (1 + spare)
    return (x / np.maximum(reach, 1)[:, None]).astype(dtype)


def pack_ltiling(points: Array, reference: Sequence[int], bits: int | None) -> tuple[Streams, Array]:
    """Streams of points (n, 2 + 9 L) of the plane's tiling, and the points that they give back."""
    n, back, streams = len(points), points.copy(), Streams()
    for axis in range(2):
        if bits is None:
            streams[f"offset.{axis}"] = press_floats(points[:, axis])
        else:
            cell, _ = _shortened((points[:, axis].astype(np.float64) + 1) / 2, 0.0, bits)
            streams[f"offset.{axis}"] = press_ints(cell)
    if bits is not None:
        back[:, :2] = _plane_offsets(streams, n, bits, points.dtype)
    columns = [from_limbs(points[:, 2 + entry :: 9]) for entry in range(9)]
    g: list[Matrix] = list(zip(*columns, strict=True))
    words = [_word(_ONE if p < 0 else g[p], h) for p, h in zip(reference, g, strict=True)]
    streams["words"] = press_ints(np.array([-1 if w is None else len(w) for w in words], dtype=np.int64))
    letters = np.array([letter for word in words for letter in word or ()], dtype=np.uint8)
    letters = np.concatenate([letters, np.zeros(-len(letters) % 4, dtype=np.uint8)]).reshape(-1, 4)
    streams["letters"] = press((letters << np.array([6, 4, 2, 0], dtype=np.uint8)).sum(1, dtype=np.uint8)[:, None])
    rest = [v for w, h in zip(words, g, strict=True) if w is None for v in h]
    streams["g.length"], streams["g.bits"] = press_big(rest)
    return streams, back


def ltiling_references(points: Array, edges: Ints | None) -> list[int]:
    """`nearby` of points of the plane's tiling."""
    x, y, z = (from_limbs(points[:, 2 + entry :: 9]) for entry in (0, 3, 6))  # where the tiles lie
    digits = 2 * max(v.bit_length() for v in x)
    keys: list[Sequence[int]] = [()] * len(x)
    if digits < _FAR and digits * len(x) < _GRID:
        keys = [
            tuple(max(0, (v << digits) // max(a, 1) + (2 << digits)) for v in (b, c))
            for a, b, c in zip(x, y, z, strict=True)
        ]
    return nearby(keys, edges, lambda a, b: (3 * x[a] * x[b] - y[a] * y[b] - z[a] * z[b]).bit_length())


def unpack_ltiling(
    streams: Streams, shape: tuple[int, int], reference: Sequence[int], bits: int | None, dtype: npt.DTypeLike
) -> Array:
    """The points that `pack_ltiling` made streams of."""
    n, width = shape
    out = np.empty((n, width), dtype=dtype)
    if bits is None:
        for axis in range(2):
            out[:, axis] = unpress_floats(streams[f"offset.{axis}"], n, dtype)
    else:
        out[:, :2] = _plane_offsets(streams, n, bits, dtype)
    sizes = unpress_ints(streams["words"], n)
    if n and not -1 <= int(sizes.min()) <= int(sizes.max()) <= _LONGEST:
        raise ValueError("a word of it has an impossible length.")
    count = int(np.maximum(sizes, 0).sum())
    packed = unpress(streams["letters"], -(-count // 4), 1)
    letters = (packed >> np.array([6, 4, 2, 0], dtype=np.uint8) & 3).reshape(-1)[:count].tolist()
    ends = np.cumsum(np.maximum(sizes, 0)).tolist()
    raw = iter(unpress_big(streams["g.length"], streams["g.bits"], 9 * int((sizes < 0).sum())))
    whole = [tuple(next(raw) for _ in range(9)) if size < 0 else _ONE for size in sizes.tolist()]
    for i in outwards(reference):
        if sizes[i] >= 0:
            w = _spelt(letters[ends[i] - int(sizes[i]) : ends[i]])
            whole[i] = w if reference[i] < 0 else _times(whole[reference[i]], w)
    for entry in range(9):
        to_limbs([g[entry] for g in whole], out[:, 2 + entry :: 9])
    return out


def _plane_offsets(streams: Streams, n: int, bits: int, dtype: npt.DTypeLike) -> Array:
    halves = [_middle(_cells(streams[f"offset.{axis}"], n, bits), 0.0, bits, np.float64) for axis in range(2)]
    return _inside(2 * np.stack(halves, axis=1) - 1, dtype)


def plane_shift(x: Array, y: Array) -> Array:
    """Distance of points (n, 2) of the hyperboloid, by their spatial coordinates, that lie within a few tiles."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    apart, both = x - y, x + y
    times = np.sqrt(1 + (x * x).sum(axis=1)) + np.sqrt(1 + (y * y).sum(axis=1))
    later = (apart * both).sum(axis=1) / times  # the difference of the times
    found: Array = 2 * np.arcsinh(np.sqrt(np.maximum((apart * apart).sum(axis=1) - later * later, 0)) / 2)
    return found


# ---- a tree of points -----------------------------------------------------------------------------------------------


def pack_tree(rows: Array, bits: int | None) -> tuple[Streams, Array]:
    """Streams of a tree's rows (n, d), d - 1 horizontal offsets and a log height each; and the rows they give back.

    In the tiling of its parent's frame a node far below it lies in a tile smaller than its float's last bit: the float
    is an integer multiple of the tile's side, and stays.  Nearer ones, and log heights, keep `bits` bits in the tile.
    """
    streams, back, d = Streams(), rows.copy(), rows.shape[1]
    if bits is None:
        streams["height"] = press_floats(rows[:, -1])
    else:
        cells = [math.floor(v / math.log(2) * 2**bits) for v in rows[1:, -1].tolist()]
        j = [v >> bits for v in cells]
        streams["j.length"], streams["j.bits"] = press_big(j)
        streams["offset"] = press_ints(np.array([v & ((1 << bits) - 1) for v in cells], dtype=np.int64))
        back[1:, -1] = _log_heights(cells, bits)
        for axis in range(d - 1):
            back[1:, axis] = [_in_tile(b, e, bits) for b, e in zip(rows[1:, axis].tolist(), j, strict=True)]
    for axis in range(d - 1):
        streams[f"place.{axis}"] = press_floats(back[:, axis])
    return streams, back


def unpack_tree(streams: Streams, n: int, d: int, bits: int | None) -> Array:
    """The rows that `pack_tree` made streams of."""
    out = np.zeros((n, d))
    for axis in range(d - 1):
        out[:, axis] = unpress_floats(streams[f"place.{axis}"], n, np.float64)
    if bits is None:
        out[:, -1] = unpress_floats(streams["height"], n, np.float64)
    else:
        j = unpress_big(streams["j.length"], streams["j.bits"], n - 1)
        low = _cells(streams["offset"], n - 1, bits).tolist()
        out[1:, -1] = _log_heights([(v << bits) | c for v, c in zip(j, low, strict=True)], bits)
    return out


def tree_shift(rows: Array, back: Array) -> Array:
    """How far each node moved as its parent sees it."""
    rise = (rows[:, -1] - back[:, -1]) / 2
    aside = rows[:, :-1] - back[:, :-1]
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.exp(-(rows[:, -1:] + back[:, -1:]) / 4)  # twice: its square need not be a float
        aside = np.linalg.norm(np.where(aside == 0, 0.0, aside * scale * scale), axis=1)
    found: Array = 2 * np.arcsinh(np.hypot(aside / 2, np.sinh(rise)))
    return found


def _log_heights(cells: Sequence[int], bits: int) -> list[float]:
    return [math.ldexp(2 * v + 1, -bits - 1) * math.log(2) for v in cells]


def _in_tile(b: float, j: int, bits: int) -> float:
    """The middle of the interval of length 2^(j - bits) that b lies in, or b where it is a multiple of that."""
    m, e = scaled(b)
    unit = j - bits
    if e >= unit or unit > 960:
        return b
    return math.ldexp(2 * (m >> min(unit - e, 4096)) + 1, unit - 1)


# ---- an embedding's parts -------------------------------------------------------------------------------------------

SHORTENED = ("HTiling", "LTiling", "HalfSpaceTree")  # manifolds whose points have offsets to shorten


def pack(parts: Mapping[str, Array], manifold: str, dim: int, bits: int | None) -> tuple[Streams, dict[str, Any]]:
    """Streams of an embedding's parts, and the facts without which they cannot be read.

    parts: points (n, w); labels, bytes; where they are there parent (n,), edges (m, 2), weights (m,).
    bits: of each offset; None for all of them, which any other manifold's points need too.
    Edges, with their weights, come back in sorted order.
    """
    points, parent, edges = parts["points"], parts.get("parent"), parts.get("edges")
    n = len(points)
    reference = [-1] * n if parent is None else _straight(parent.tolist())
    if manifold == "HTiling":
        streams, back = pack_htiling(points, dim, reference, bits)
        if parent is None:  # a point to tell each from may or may not be worth its name
            near = htiling_references(points, dim, edges)
            told = pack_htiling(points, dim, near, bits)[0] | {"reference": press_ints(np.array(near, dtype=np.int64))}
            streams = min(streams, told, key=lambda some: sum(map(len, some.values())))
        shift = half_space_shift(points[:, :dim], back[:, :dim])
    elif manifold == "LTiling":
        if parent is None:
            reference = ltiling_references(points, edges)
        streams, back = pack_ltiling(points, reference, bits)
        if parent is None:
            streams["reference"] = press_ints(np.array(reference, dtype=np.int64))
        shift = plane_shift(points[:, :2], back[:, :2])
    elif manifold == "HalfSpaceTree":
        streams, back = pack_tree(points, bits)
        shift = tree_shift(points, back)
    else:
        streams = {f"column.{i}": press_floats(points[:, i]) for i in range(points.shape[1])}
        shift = np.zeros(n)
    facts: dict[str, Any] = {
        "bits": bits,
        "shape": list(points.shape),
        "dtype": points.dtype.name,
        "dim": dim,
        "largest_shift": float(shift.max()),
        "mean_shift": float(shift.mean()),
        "labels": len(parts["labels"]),
    }
    streams["labels"] = press(parts["labels"][:, None])
    if parent is not None:
        streams["parent"] = press_ints(np.diff(parent, prepend=0))
    if edges is not None:
        high, low = edges.max(axis=1, initial=-1), edges.min(axis=1, initial=n)
        order = np.lexsort((low, high))
        high, low = high[order], low[order]
        streams["edges.high"] = press_ints(np.diff(high, prepend=0))
        streams["edges.low"] = press_ints(low - (high if parent is None else parent[high]))
        streams["edges.turned"] = press_ints((edges[order, 0] != high).astype(np.int64))
        facts["edges"] = len(high)
        if "weights" in parts:
            streams["weights"] = press_floats(parts["weights"][order])
    return {f"{name}.z": data for name, data in streams.items()}, facts


def unpack(streams: Mapping[str, bytes], manifold: str, facts: Mapping[str, Any]) -> dict[str, Array]:
    """The parts that `pack` was given; ValueError says what is wrong with the streams."""
    z = {name.removesuffix(".z"): data for name, data in streams.items()}
    n, width = (int(v) for v in facts["shape"])
    dim, dtype, bits = int(facts["dim"]), np.dtype(facts["dtype"]), facts["bits"]
    if dtype not in FORMS or not (bits is None or (isinstance(bits, int) and 1 <= bits <= most_bits(dtype))):
        raise ValueError(f"its points are said to have {bits} bits of {dtype}.")
    if not all(math.isfinite(facts[shift]) and facts[shift] >= 0 for shift in ("largest_shift", "mean_shift")):
        raise ValueError("it does not say how far its points moved.")
    parts: dict[str, Array] = {"labels": unpress(z["labels"], int(facts["labels"]), 1)[:, 0]}
    if not 1 <= n <= 1 + parts["labels"].tobytes().count(b","):
        raise ValueError(f"it is said to have {n} points, and has not as many labels.")
    reference = [-1] * n
    if "parent" in z:
        parts["parent"] = np.cumsum(unpress_ints(z["parent"], n))
        if not -1 <= int(parts["parent"].min()) <= int(parts["parent"].max()) < n:
            raise ValueError(f"a parent in it is none of its {n} nodes.")
        reference = _straight(parts["parent"].tolist())
    elif "reference" in z:
        own = unpress_ints(z["reference"], n)
        if not -1 <= int(own.min()) <= int(own.max()) < n:
            raise ValueError(f"a point in it is told from one that is none of its {n}.")
        reference = _straight(own.tolist())
    if manifold == "HTiling":
        parts["points"] = unpack_htiling(z, (n, width), dim, reference, bits, dtype)
    elif manifold == "LTiling":
        parts["points"] = unpack_ltiling(z, (n, width), reference, bits, dtype)
    elif manifold == "HalfSpaceTree":
        parts["points"] = unpack_tree(z, n, width, bits)
    else:
        parts["points"] = np.stack([unpress_floats(z[f"column.{i}"], n, dtype) for i in range(width)], axis=1)
    if "edges" in facts:
        m = int(facts["edges"])
        high = np.cumsum(unpress_ints(z["edges.high"], m))
        if m and not 0 <= int(high.min()) <= int(high.max()) < n:
            raise ValueError(f"an edge in it has ends that are none of its {n} nodes.")
        low = unpress_ints(z["edges.low"], m) + (parts["parent"][high] if "parent" in parts else high)
        turned = unpress_ints(z["edges.turned"], m) != 0
        parts["edges"] = np.stack([np.where(turned, low, high), np.where(turned, high, low)], axis=1)
        if "weights" in z:
            parts["weights"] = unpress_floats(z["weights"], m, np.float64)
    return parts


def sizes(streams: Mapping[str, bytes]) -> dict[str, int]:
    """Bytes of a file's streams, by what they hold: a point's integers, its offset, the tree, and all the rest."""
    out = dict.fromkeys(("integers", "offsets", "parents", "other"), 0)
    for name, data in streams.items():
        first = name.split(".")[0]
        kind = "offsets" if first in ("offset", "height", "column") else "parents" if first == "parent" else "integers"
        out["other" if first in ("labels", "edges", "weights") else kind] += len(data)
    return out
