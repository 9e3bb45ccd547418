"""Integers of any size in rows of floats, and the places of a tree's nodes in the half-space tiling, exactly.

A limb is a signed digit of base 2^24 in [-2^23, 2^23), which float32 and float64 hold exactly; a number is the sum of
limb_i 2^(24 i), and its digits are unique.  A point of the half-space tiling (Yu & De Sa, NeurIPS 2019, section 4) is
2^j (x + k): an offset x in the unit tile, its height in [1, 2), an exponent j, and integers k that take no part in the
height.  Its row holds x (d), j, and the limbs of the d - 1 integers, lowest limb of all first.

Everything here is done in Python's integers: no rounding but the one that is stated.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
LIMB = 24
FORMS = {np.dtype(np.float64): (53, -1074), np.dtype(np.float32): (24, -149)}  # bits, and the least exponent
_HALF = 1 << (LIMB - 1)
_ROWS = 4096  # turned at a time
_LOG = 160  # bits after the point of a logarithm
_GUARD = 128  # bits beyond an offset's own with which places are summed at first


def _bias(limbs: int) -> int:
    """2^23 in each limb, which makes all digits non-negative."""
    return _HALF * (((1 << (LIMB * limbs)) - 1) // ((1 << LIMB) - 1))


def from_limbs(limbs: Floats) -> list[int]:
    """The integers that rows (n, L) of limbs hold; ValueError where a limb is no digit."""
    n, width = limbs.shape
    if width == 0:
        return [0] * n
    out: list[int] = []
    bias = _bias(width)
    for start in range(0, n, _ROWS):
        block = np.asarray(limbs[start : start + _ROWS], dtype=np.float64)
        if not ((block >= -_HALF) & (block < _HALF) & (block == np.floor(block))).all():
            raise ValueError(f"a limb is an integer from -2^{LIMB - 1} to 2^{LIMB - 1} - 1, and some here are not.")
        digits = (block + _HALF).astype("<u4").view(np.uint8).reshape(len(block), width, 4)[:, :, :3]
        rows = np.ascontiguousarray(digits).reshape(len(block), 3 * width)
        out += [int.from_bytes(row.data, "little") - bias for row in rows]
    return out


def limbs_of(value: int) -> int:
    """How many limbs an integer needs; none for 0."""
    width = -(-value.bit_length() // LIMB)
    return width if 0 <= value + _bias(width) < 1 << (LIMB * width) else width + 1


def to_limbs(values: Sequence[int], out: Floats) -> None:
    """Write integers as rows of limbs into (n, L), which must be wide enough for them."""
    width = out.shape[1]
    bias = _bias(width)
    for start in range(0, len(values) if width else 0, _ROWS):
        block = values[start : start + _ROWS]
        data = b"".join((value + bias).to_bytes(3 * width, "little") for value in block)
        digits = np.zeros((len(block), width, 4), dtype=np.uint8)
        digits[:, :, :3] = np.frombuffer(data, dtype=np.uint8).reshape(len(block), width, 3)
        out[start : start + _ROWS] = digits.view("<u4")[:, :, 0].astype(np.int64) - _HALF


# ------------------------------------------------------------------------------------------------ numbers as integers


def scaled(value: float) -> tuple[int, int]:
    """A finite float as m 2^e, m odd or 0."""
    m, d = value.as_integer_ratio()
    low = (m & -m).bit_length() - 1 if m else 0
    return m >> low, low - (d.bit_length() - 1)


def shifted(value: int, by: int) -> int:
    """floor(value 2^by)."""
    return value << by if by >= 0 else value >> -by


def rounded(r: int, q: int, bits: int, least: int) -> float:
    """r / 2^q, r >= 0, to the nearest float of `bits` bits above 2^least, ties to even."""
    drop = max(r.bit_length() - bits, q + least)
    if drop <= 0:
        return math.ldexp(r, -q)
    kept, rest, half = r >> drop, r & ((1 << drop) - 1), 1 << (drop - 1)
    return math.ldexp(kept + (rest > half or (rest == half and kept & 1)), drop - q)


def _cut(m: int, e: int, bits: int) -> tuple[int, int]:
    """m 2^e with `bits` bits of m > 0 kept."""
    extra = m.bit_length() - bits
    return shifted(m, -extra), e + extra


class _Exp:
    """exp(t 2^-scale) of integers t to any number of bits, as a product of powers for the eight-bit digits of t."""

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.bits = 0
        self._digits: dict[tuple[int, int], tuple[int, int]] = {}

    def grow(self, bits: int) -> None:
        """Make ready for numbers of so many bits."""
        if bits > self.bits:
            self.bits = bits
            self._digits.clear()

    def _power(self, place: int, digit: int) -> tuple[int, int]:
        """exp(digit 2^(8 place - scale)), digit of either sign, as m 2^e of `self.bits` bits, the last ten in doubt."""
        found = self._digits.get((place, digit))
        if found is None:
            if abs(digit) > 1:
                half = int(digit / 2)
                (m, e), (p, q) = self._power(place, half), self._power(place, digit - half)
                m, e = m * p, e + q
            else:
                # an argument below 2^-r by halving, a Taylor sum, and as many squarings, which double the error each
                halvings = max(0, 8 * place - self.scale + math.isqrt(self.bits) + 8)
                work = self.bits + halvings + 32
                x = shifted(digit, 8 * place - self.scale - halvings + work)
                term, m, k = 1 << work, 1 << work, 0
                while term not in (0, -1):
                    k += 1
                    term = (term * x >> work) // k
                    m += term
                e = -work
                for _ in range(halvings):
                    m, e = _cut(m * m, 2 * e, work)
            found = self._digits[place, digit] = _cut(m, e, self.bits)
        return found

    def __call__(self, t: int, bits: int) -> tuple[int, int]:
        """m 2^e, m of `bits` bits; exact at 0, else with a relative error below 2^(16 - bits)."""
        self.grow(bits)
        sign = -1 if t < 0 else 1
        m, e = 1 << (bits - 1), 1 - bits
        for place, digit in enumerate(abs(t).to_bytes((abs(t).bit_length() + 7) // 8, "little")):
            if digit:
                p, q = self._power(place, sign * digit)
                extra = self.bits - bits
                m, e = _cut(m * (p >> extra), e + q + extra, bits)
        return m, e


# ------------------------------------------------------------------------------------------------ a tree in the tiling


def tile_tree(parent: Sequence[int], rows: Floats, dtype: npt.DTypeLike = np.float64) -> Floats:
    """The places of a tree's nodes (hypgeo.ops.tree), rows (n, d), as points (n, d + 1 + (d - 1) L) of the tiling.

    Correctly rounded: heights and horizontal offsets are the floats nearest to those of the exact places, and what
    rounds to the end of a tile is at the start of the next.

    Sums of b exp(s) along the paths are taken in integers with 128 bits to spare.  Where that leaves a rounding open it
    is repeated with more, and a place without an irrational part is rounded as the rational it is: exponentials of
    distinct rationals are linearly independent over the rationals (Lindemann, Weierstrass), so that this ends.
    """
    n, d = rows.shape
    form = FORMS[np.dtype(dtype)]
    offsets = [[scaled(v) for v in row[:-1]] for row in rows.tolist()]
    logs = [scaled(v) for v in rows[:, -1].tolist()]
    scale = max(0, *(-e for _, e in logs)) if n > 1 else 0
    log_y = [0] * n  # times 2^scale
    for i in range(1, n):
        log_y[i] = log_y[parent[i]] + shifted(logs[i][0], logs[i][1] + scale)
    exp = _Exp(scale)
    height, j = map(list, zip(*(_height(exp, t, form) for t in log_y), strict=True))
    if max(map(abs, j)) >= _HALF:
        raise ValueError(f"a node's height is 2^{max(j, key=abs)}, and tiles end at 2^{_HALF}; keep the tree.")
    _afford(n * (d - 1) * (-min(j) // LIMB) * np.dtype(dtype).itemsize)
    # digits after the point that a node's place needs, for its own sake and for those below; then those of its height
    digits = [form[0] + _GUARD - e for e in j]
    for i in range(n - 1, 0, -1):
        digits[parent[i]] = max(digits[parent[i]], digits[i])
    needed = [0] * n
    for i in range(1, n):
        p = parent[i]
        needed[p] = max(needed[p], *(m.bit_length() + e + j[p] + digits[i] + 20 if m else 0 for m, e in offsets[i]))
    exp.grow(max(needed))
    heights: dict[int, tuple[int, int]] = {}
    x, error = [[0] * (d - 1)] * n, [0] * n  # places, and by how much they may be off, in units of their last digit
    k, offset = np.zeros((n, d - 1), dtype=object), np.zeros((n, d))
    for i in range(n):
        if i:
            p = parent[i]
            drop = digits[p] - digits[i]
            x[i], error[i] = [v >> drop for v in x[p]], (error[p] >> drop) + (drop > 0 and any(x[p]))
            for axis, (m, e) in enumerate(offsets[i]):
                if m:
                    if p not in heights:
                        heights[p] = exp(log_y[p], max(64, needed[p]))
                    x[i][axis] += shifted(m * heights[p][0], e + heights[p][1] + digits[i])
                    error[i] += 0 if log_y[p] == 0 <= e + digits[i] else 4
        q = digits[i] + j[i]
        for axis, v in enumerate(x[i]):
            found = _agreed(v, error[i], q, form)
            k[i, axis], offset[i, axis] = found or _surely(parent, offsets, log_y, scale, i, axis, j[i], form)
    offset[:, -1] = height
    width = max(1, *map(limbs_of, k.flat))
    out = np.empty((n, d + 1 + (d - 1) * width), dtype=dtype)
    out[:, :d], out[:, d] = offset, j
    for axis in range(d - 1):
        to_limbs(k[:, axis].tolist(), out[:, d + 1 + axis :: d - 1])
    return out


def _height(exp: _Exp, log_y: int, form: tuple[int, int]) -> tuple[float, int]:
    """A height as the nearest float in [1, 2) and an exponent."""
    bits = form[0] + _GUARD
    while True:
        m, e = exp(log_y, bits)
        doubt = 1 << 16 if log_y else 0  # exp of another rational is irrational, and more bits settle it
        low, high = rounded(m - doubt, bits - 1, *form), rounded(m + doubt, bits - 1, *form)
        if low == high:
            return (1.0, e + bits) if low == 2 else (low, e + bits - 1)
        bits *= 2


def _tile(x: int, q: int, form: tuple[int, int]) -> tuple[int, float]:
    """x / 2^q as an integer and an offset in [0, 1), rounded to the nearest."""
    k, offset = x >> q, rounded(x & ((1 << q) - 1), q, *form)
    return (k + 1, 0.0) if offset == 1 else (k, offset)


def _agreed(x: int, error: int, q: int, form: tuple[int, int]) -> tuple[int, float] | None:
    """What all numbers within error of x round to, if they do so alike."""
    low = _tile(x - error, q, form)
    return low if not error or low == _tile(x + error, q, form) else None


def _surely(
    parent: Sequence[int],
    offsets: Sequence[Sequence[tuple[int, int]]],
    log_y: Sequence[int],
    scale: int,
    node: int,
    axis: int,
    j: int,
    form: tuple[int, int],
) -> tuple[int, float]:
    """One coordinate in its tile, to as many bits as it takes: the sum along the path, equal exponentials gathered."""
    terms: dict[int, Fraction] = {}
    while node:
        m, e = offsets[node][axis]
        node = parent[node]
        terms[log_y[node]] = terms.get(log_y[node], Fraction(0)) + m * Fraction(2) ** e
    rational = terms.pop(0, Fraction(0)) / Fraction(2) ** j
    terms = {t: b for t, b in terms.items() if b}
    q = 4 * _GUARD
    while terms:
        exp, x, error = _Exp(scale), (rational.numerator << q) // rational.denominator, 1
        for t, b in terms.items():
            size = b.numerator.bit_length() - b.denominator.bit_length() + 65 + exp(t, 64)[1]  # bits above the point
            m, e = exp(t, max(64, size - j + q + 20))
            x += shifted(b.numerator * m, e - j + q) // b.denominator
            error += 4
        if found := _agreed(x, error, q, form):
            return found
        q *= 2
    return _tile(rational.numerator, rational.denominator.bit_length() - 1, form)


def _afford(size: int) -> None:
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > there // 2:
        raise ValueError(
            f"places in the tiling would take {size / 1e9:,.0f} GB and this machine has {there / 1e9:,.0f}; "
            "keep the tree, whose rows are as exact."
        )


# ------------------------------------------------------------------------------------------------ and back


def _ln(exp: _Exp, y: float) -> int:
    """ln y of y in [1, 2], times 2^_LOG, within a few units."""
    t = int(math.log(y) * (1 << 60)) << (_LOG - 60)
    m, e = exp(-t, _LOG + 24)
    (n, by), one = scaled(y), 1 << _LOG
    rest = shifted(n * m, by + e + _LOG) - one  # y exp(-log y) - 1, 2^-50 at most
    return t + rest - (rest * rest >> (_LOG + 1)) + rest**3 // (3 * one * one)


def hang_tiles(parent: Sequence[int], points: Floats, d: int) -> Floats:
    """Points of the tiling as rows (n, d) float64 of a tree, each seen from its parent and rounded to the nearest.

    The root, wherever it lies, becomes the tree's origin: an isometry, which changes no distance.
    """
    n = len(parent)
    offset, exponent = points[:, :d].astype(np.float64).tolist(), points[:, d].astype(np.float64).tolist()
    k = [from_limbs(points[:, d + 1 + axis :: d - 1]) for axis in range(d - 1)]
    out = np.zeros((n, d))
    exp = _Exp(_LOG)
    ln2, ln = _ln(exp, 2.0), [_ln(exp, row[-1]) for row in offset]
    for i in range(1, n):
        p = parent[i]
        rise = int(exponent[i]) - int(exponent[p])
        if abs(rise) > 1 << 24:
            raise ValueError(f"node {i} lies 2^{rise} times as high as its parent, which is beyond a tree's rows.")
        out[i, -1] = (rise * ln2 + ln[i] - ln[p]) / (1 << _LOG)  # Python rounds quotients of integers correctly
        m_y, e_y = scaled(offset[p][-1])
        for axis in range(d - 1):
            # b = (2^rise (k + x) - (k_p + x_p)) / y_p, the numerator in units of 2^unit
            (m, e), (m_p, e_p) = scaled(offset[i][axis]), scaled(offset[p][axis])
            unit = min(rise + min(e, 0), e_p, 0)
            apart = (k[axis][i] << (rise - unit)) + (m << (rise + e - unit))
            apart -= (k[axis][p] << -unit) + (m_p << (e_p - unit))
            by = unit - e_y
            try:
                out[i, axis] = (apart << max(by, 0)) / (m_y << max(-by, 0))
            except OverflowError:
                raise ValueError(f"node {i} lies too far to the side of its parent for a float.") from None
    return out
