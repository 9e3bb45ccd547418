"""Numbers of all kinds into components and back, without an error that the components could have held."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import torch

__all__ = ["COMPONENT_DTYPES", "components_of", "decimal_of", "digits", "leaves", "number", "shape_of"]

# significant bits and least exponent of a float's last bit
_LIMITS = {torch.float16: (11, -24), torch.float32: (24, -149), torch.float64: (53, -1074)}
COMPONENT_DTYPES = tuple(_LIMITS)


def digits(components: int, dtype: torch.dtype) -> int:
    """Decimal digits that tell numbers of N p bits apart: 17 for one float64, 33 for two."""
    return int(components * _LIMITS[dtype][0] * math.log10(2)) + 2


def number(value: Any) -> Fraction | float:
    """A number, a string or a number of mpmath or gmpy2, exactly; a float for infinities and nan."""
    if isinstance(value, str):
        try:
            return Fraction(value)
        except ValueError:
            try:
                return float(value)  # inf, nan
            except ValueError:
                raise ValueError(f"MCTensor: {value!r} is no number; write it like '0.1', '1e-300' or '1/3'") from None
    parts = getattr(value, "_mpf_", None)  # mpmath: sign, mantissa, exponent, bits
    if parts is not None:
        sign, mantissa, exponent = int(parts[0]), int(parts[1]), int(parts[2])
        if mantissa or not exponent:
            return Fraction(-mantissa if sign else mantissa) * Fraction(2) ** exponent
        return float(value)
    try:
        return Fraction(*value.as_integer_ratio())
    except (OverflowError, ValueError):  # infinite, nan
        return float(value)
    except (AttributeError, TypeError):
        raise TypeError(
            f"MCTensor takes numbers, strings, Fraction, Decimal, mpmath numbers, and arrays and nested lists of them, "
            f"got {type(value).__name__}"
        ) from None


def _nearest(value: Fraction, dtype: torch.dtype) -> float:
    """The float of the dtype nearest to a number, ties to even; infinite past the greatest."""
    if not value:
        return 0.0
    bits, least = _LIMITS[dtype]
    size = value.numerator.bit_length() - value.denominator.bit_length()  # 2^(size - 1) < |value| < 2^(size + 1)
    if abs(value) < Fraction(2) ** size:
        size -= 1
    last = max(size - bits + 1, least)
    rounded = round(value / Fraction(2) ** last)  # ties to even
    if abs(rounded) * Fraction(2) ** last > Fraction(torch.finfo(dtype).max):
        return math.copysign(math.inf, rounded)
    return math.ldexp(rounded, last)


def components_of(value: Any, components: int, dtype: torch.dtype) -> tuple[float, ...]:
    """The number as floats of the dtype, each nearest to what those before it leave."""
    rest = number(value)
    if isinstance(rest, float):
        return (rest, *[0.0] * (components - 1))
    out: list[float] = []
    for _ in range(components):
        out.append(_nearest(rest, dtype))
        if math.isinf(out[-1]):
            break
        rest -= Fraction(out[-1])
    return (*out, *[0.0] * (components - len(out)))


def shape_of(value: Any) -> tuple[int, ...]:
    """Shape of a nested list; of no axes for a single number."""
    if not isinstance(value, list | tuple):
        return ()
    inner = {shape_of(v) for v in value}
    if len(inner) > 1:
        raise ValueError(f"MCTensor: rows of a nested list must have one shape, got {sorted(inner)}")
    return (len(value), *(inner.pop() if inner else ()))


def leaves(value: Any) -> Iterator[Any]:
    """The numbers of a nested list in order."""
    if isinstance(value, list | tuple):
        for v in value:
            yield from leaves(v)
    else:
        yield value


def decimal_of(parts: list[float], places: int) -> Decimal:
    """The exact sum of the parts to so many significant digits."""
    if not all(map(math.isfinite, parts)):
        return Decimal(sum(parts))
    whole = sum(map(Fraction, parts), Fraction(0))
    return Context(prec=places).divide(Decimal(whole.numerator), Decimal(whole.denominator))
