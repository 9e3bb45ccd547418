"""Arithmetic of N-component floats on plain tensors: value = exact sum of the last axis.

A number tensor of shape S is a component tensor S + (N,), N = 1 ... 8, of float16, float32 or float64.  Canonical: each
component is the rounding to nearest of what it and those after it sum to (so at most half an ulp of the one before),
zeros last; inf and nan stand in the leading component, zeros after them.  Every function but `renorm` takes canonical
components, returns them, and rounds once, at the end.  Leading axes broadcast.  No autograd here.

    renorm(x, n=None)  from_float(t, n)  round_to_float(x)
    add(x, y)  sub(x, y)  mul(x, y)  div(x, y)  neg(x)  abs(x)  reciprocal(x)  scale(x, t)  sqrt(x)  rsqrt(x)
    exp(x)  expm1(x)  log(x)  log1p(x)  sinh(x)  cosh(x)  tanh(x)  asinh(x)  acosh(x)  atanh(x)  sin(x)  cos(x)
    pow(x, y)  powi(x, k)
    sum(x, dim=None, keepdim=False)  cumsum(x, dim)  prod(x, dim, keepdim=False)  matmul(a, b)
    compare(x, y)  lt(x, y)  le(x, y)  gt(x, y)  ge(x, y)  eq(x, y)  ne(x, y)  maximum(x, y)  minimum(x, y)
    amax(x, dim, keepdim=False)  amin(x, dim, keepdim=False)  sort(x, dim=-1, descending=False, stable=False)

Dimensions count the axes of S.  Compiled for the CPU and for CUDA (csrc/multifloat); elsewhere, and in
`<name>.reference`, plain PyTorch bodies in float64 expansions (`hypgeo.ops._expansion`, which cites its sources).

Bounds.  With p = 11, 24, 53 bits a component and tiny the dtype's smallest subnormal, a result r has an error of at
most bound(name, dtype, N) 2^(-N p) |r| + tiny.  For `sum` and `cumsum` the sum of |x_i| stands in place of |r|; for
`matmul` k times the sum of its k |a_i b_i|, with a tiny for each.  A component below tiny has no float: with float16
that is 2^-24, so that from three components on the floor decides.  Results past the largest float are infinite, as IEEE
has it.  `sin` and `cos` hold their bound for |x| < 2^(1000 - 106 N) in float64 and everywhere in the others, unless x
is closer than 2^(-53 N - 64) to a multiple of pi / 2 that is not 0; beyond, their error is at most |x| 2^-1050.  With
float64, errors of single steps add up to no more than the bound in sums of 2^29 terms, products of 2^19 factors and
powers `powi` with |k| <= 2^15 (for N <= 4: 2^38, 2^34, 2^32); further ones may err in proportion.
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from hypgeo import _C
from hypgeo.ops import _expansion as E
from hypgeo.ops._expansion import Parts

__all__ = [
    "BOUNDS", "MOST", "PAIR_BOUNDS", "PRECISION", "abs", "acosh", "add", "amax", "amin", "asinh", "atanh", "bound",
    "compare", "cos", "cosh", "cumsum", "div", "eq", "exp", "expm1", "from_float", "ge", "gt", "le", "log", "log1p",
    "lt", "matmul", "maximum", "minimum", "mul", "ne", "neg", "pow", "powi", "prod", "reciprocal", "renorm",
    "round_to_float", "rsqrt", "scale", "sin", "sinh", "sort", "sqrt", "sub", "sum", "tanh",
]  # fmt: skip

MOST = 8  # components
PRECISION = {torch.float16: 11, torch.float32: 24, torch.float64: 53}

# Relative, in units of 2^(-N p); what they are relative to stands above.  One for rounding the result, and what the
# expansions' guarding part leaves (csrc/multifloat/expansion.h).
BOUNDS: dict[str, float] = {}
# Compiled float64 pairs are computed in pairs, without a part to guard.  csrc/scalar/multifloat.h cites the first five;
# the others follow from those, step by step, in tests/csrc/test_multifloat_bounds.py.
PAIR_BOUNDS = {
    "add": 3.01, "sub": 3.01, "mul": 5.01, "div": 15.01, "sqrt": 3.2, "reciprocal": 4.8, "rsqrt": 9.1,
    "exp": 2.3, "expm1": 11.3, "log": 12.3, "log1p": 13.4, "sinh": 20.7, "cosh": 5.3, "tanh": 27.1,
    "asinh": 17.8, "acosh": 28.2, "atanh": 28.1, "matmul": 8.01,
}  # fmt: skip


def bound(name: str, dtype: torch.dtype, n: int) -> float:
    """The bound of an op in units of 2^(-N p), for `matmul` times the number of terms."""
    return PAIR_BOUNDS.get(name, BOUNDS[name]) if dtype is torch.float64 and n == 2 else BOUNDS[name]


# As csrc/multifloat/job.h numbers them.
_CODES = {
    name: code
    for code, name in enumerate(
        "add sub mul div pow powi reciprocal sqrt rsqrt exp expm1 log log1p sinh cosh tanh asinh acosh atanh sin cos"
        " renorm".split()
    )
}
_COMPILED = {device for device in ("cpu", "cuda") if "multifloat" in _C.compiled_ops(device.upper())}


class Function:
    """A function of component tensors with its plain body beside it, ``reference``; compiled (on the CPU, and on a GPU
    by a library built with CUDA) where ``native`` is given."""

    def __init__(self, body: Callable[..., Any], native: Callable[..., Any] | None) -> None:
        self.reference, self._native = body, native
        functools.update_wrapper(self, body)

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if (
            self._native is None
            or x.device.type not in _COMPILED
            or x.dtype not in PRECISION
            or torch._C._are_functorch_transforms_active()
        ):
            return self.reference(x, *args, **kwargs)
        return self._native(x, *args, **kwargs)


if _COMPILED:

    @torch.library.register_fake("hypgeo::multifloat")
    def _(x: Tensor, y: Tensor | None, op: int, power: int) -> Tensor:
        lead = x.shape[:-1] if y is None else torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
        return x.new_empty(*lead, x.shape[-1])

    @torch.library.register_fake("hypgeo::multifloat_split")
    def _(x: Tensor, dtype: int, n: int) -> Tensor:
        return x.new_empty(*x.shape, n, dtype=list(PRECISION)[dtype])

    @torch.library.register_fake("hypgeo::multifloat_lines")
    def _(x: Tensor, kind: int) -> Tensor:
        return x.new_empty(x.shape if kind == 1 else (x.shape[0], x.shape[2], x.shape[3]))


if "multifloat_distance" in _C.compiled_ops("CPU"):  # the distances of MCHalfSpace

    @torch.library.register_fake("hypgeo::multifloat_distance")
    def _(x: Tensor, y: Tensor, n: int) -> Tensor:
        return x.new_empty(x.shape[:-1])

    @torch.library.register_fake("hypgeo::multifloat_distance_backward")
    def _(grad: Tensor, x: Tensor, y: Tensor, n: int, by_x: bool, by_y: bool) -> list[Tensor]:
        return [x.new_empty(x.shape) for wanted in (by_x, by_y) if wanted]


def served(native: Callable[..., Any] | None = None) -> Callable[[Callable[..., Any]], Function]:
    return lambda body: Function(body, native)


def _one(name: str) -> Callable[[Tensor], Tensor]:
    code = _CODES[name]

    def native(x: Tensor) -> Tensor:
        _check(name, x)
        return cast(Tensor, torch.ops.hypgeo.multifloat.default(x, None, code, 0))

    return native


def _two(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    code = _CODES[name]

    def native(x: Tensor, y: Tensor) -> Tensor:
        _check(name, x, y)
        if x.shape[:-1] != y.shape[:-1]:
            torch.broadcast_shapes(x.shape, y.shape)  # refuses in torch's words
        return cast(Tensor, torch.ops.hypgeo.multifloat.default(x, y, code, 0))

    return native


# ---- components to expansions and back


def _check(name: str, *tensors: Tensor) -> None:
    first = tensors[0]
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"{name} takes tensors of components, got {type(t).__name__}; see from_float")
        if t.dtype not in PRECISION:
            raise TypeError(f"{name} takes float16, float32 or float64 components, not {t.dtype}; convert them first")
        if t.dim() == 0 or not 1 <= t.shape[-1] <= MOST:
            raise ValueError(f"{name} takes 1 to {MOST} components in the last axis, got the shape {tuple(t.shape)}")
        if t.dtype != first.dtype or t.shape[-1] != first.shape[-1]:
            raise ValueError(
                f"{name} takes one dtype and number of components, got {first.shape[-1]} of {first.dtype} and"
                f" {t.shape[-1]} of {t.dtype}; bring them together with .to(dtype) and renorm(x, n)"
            )


def _is_plain(dtype: torch.dtype, n: int) -> bool:
    """Whether one float64 holds every such number and is precise enough to compute in.

    All float16 numbers are multiples of 2^-24 below 2^17.
    """
    return dtype is torch.float16 or (dtype is torch.float32 and n == 1)


def _width(dtype: torch.dtype, n: int) -> int:
    """How many float64 parts to compute with."""
    return n + 1 if dtype is torch.float64 else builtins.max(2, builtins.min(n, 6))


def _load(x: Tensor) -> Parts:
    """Settled float64 parts with the same sum; nan and inf stay in the first."""
    if x.dtype is torch.float64:
        return list(x.unbind(-1))
    parts = x.to(torch.float64)
    if _is_plain(x.dtype, x.shape[-1]):
        return [parts.sum(-1)]
    held = builtins.min(x.shape[-1], 6)  # 6 float64 cover all of float32's exponents
    return E.alone(E.settle(parts.unbind(-1), held))


def _round(d: Tensor, dtype: torch.dtype) -> Tensor:
    """d rounded to nearest in dtype, as float64."""
    if dtype is torch.float32:
        return d.to(dtype).to(torch.float64)
    exponent = torch.frexp(d).exponent.to(torch.int64)  # torch rounds float64 to float16 by way of float32
    ulp = E.power_of_two(torch.where(torch.isfinite(d), (exponent - 11).clamp(min=-24), 0))
    r = torch.round(d / ulp) * ulp
    return torch.where(r.abs() > 65504.0, r * torch.inf, r)


def _sticky(d: Tensor, rest: Tensor) -> Tensor:
    """d, or where there is a rest its neighbour that is odd in the last bit: it rounds as d + rest does."""
    bits = d.view(torch.int64)
    toward_zero = torch.where((rest < 0.0) == (d < 0.0), bits, bits - 1)
    return torch.where((rest != 0.0) & (d != 0.0), toward_zero | 1, bits).view(torch.float64)


def _store(parts: Parts, exponent: Tensor | None, dtype: torch.dtype, n: int) -> Tensor:
    """The canonical components of parts times 2^exponent."""
    if dtype is torch.float64:
        out = E.canonical(E.settle(parts, builtins.max(n, len(parts)))[:n])
        if exponent is not None:
            out = E.canonical(E.ldexp(out, exponent))
        return torch.stack(out, -1)
    if exponent is not None:
        parts = E.ldexp(parts, exponent)
    parts, out = E.alone(parts), []
    for _ in range(n):
        c = _round(parts[0] if len(parts) == 1 else _sticky(parts[0], parts[1]), dtype)
        out.append(c.to(dtype))
        parts = E.settle([torch.where(torch.isfinite(c), parts[0] - c, 0.0), *parts[1:]], len(parts))
    return torch.stack(E.canonical(out), -1)


def _lead(lead: Tensor, like: Tensor) -> Tensor:
    """Component tensors with the leading component alone."""
    out = torch.zeros_like(like)
    out[..., 0] = lead.to(like.dtype)
    return out


def _settle_safely(parts: Parts, w: int) -> tuple[Parts, Tensor]:
    """E.settle and an exponent, where sums on the way would pass the largest float64."""
    out = E.settle(parts, w)
    over = ~torch.isfinite(out[0])
    if not bool(over.any()):
        return out, torch.zeros_like(out[0], dtype=torch.int64)
    small = E.settle(E.times(parts, 2.0**-8), w)
    return E.where(over, small, out), torch.where(over, 8, 0)


# ---- making and rounding


def _renorm(x: Tensor, n: int | None = None) -> Tensor:
    if x.dim() == 0 or (n is not None and n != x.shape[-1]) or not 1 <= x.shape[-1] <= MOST:
        return cast(Tensor, renorm.reference(x, n))
    return cast(Tensor, torch.ops.hypgeo.multifloat.default(x, None, _CODES["renorm"], 0))


@served(_renorm)
def renorm(x: Tensor, n: int | None = None) -> Tensor:
    """Any components, of any order, size and number -> n canonical ones: their exact sum, rounded.

    An infinite or nan component makes the leading one what their plain sum is.
    """
    n = x.shape[-1] if n is None else n
    if x.dtype not in PRECISION or x.dim() == 0 or x.shape[-1] == 0 or not 1 <= n <= MOST:
        raise ValueError(
            f"renorm takes float16, float32 or float64 components in the last axis and n from 1 to {MOST},"
            f" got {tuple(x.shape)} of {x.dtype} and n = {n}"
        )
    wide = x.to(torch.float64)
    special = ~torch.isfinite(wide).all(-1)
    parts, exponent = _settle_safely(list(torch.where(special.unsqueeze(-1), 0.0, wide).unbind(-1)), x.shape[-1])
    out = _store(parts, exponent, x.dtype, n)
    return torch.where(special.unsqueeze(-1), _lead(wide.sum(-1), out), out)


def from_float(t: Tensor, n: int) -> Tensor:
    """Floats of any shape S -> S + (n,): the same numbers, zeros behind them."""
    return torch.cat([t.unsqueeze(-1), t.new_zeros(*t.shape, n - 1)], -1)


def round_to_float(x: Tensor) -> Tensor:
    """The nearest float of the components' dtype, S + (N,) -> S: the leading component."""
    return x[..., 0].clone()


# ---- elementwise


def _elementwise(
    name: str,
    plain: Callable[[Tensor], Tensor],
    expand: Callable[[Parts, int], Parts | tuple[Parts, Tensor]],
    bound: float,
    doc: str,
    room: Callable[[Parts], Tensor] | None = None,
) -> Function:
    """A function of one number.

    plain: the same of float64; it answers alone where that is precise enough, and where the leading component is not
    finite.  expand: (parts, w) -> parts, or parts and a binary exponent.  room: positive inside the domain, negative
    where the result is nan, 0 where plain answers.
    """

    def body(x: Tensor) -> Tensor:
        _check(name, x)
        n = x.shape[-1]
        parts = _load(x)
        lead = plain(parts[0])
        if _is_plain(x.dtype, n):
            return _store([lead], None, x.dtype, n)
        odd = ~torch.isfinite(parts[0])
        if room is not None:
            left = room(parts)
            lead = torch.where((left < 0.0) & ~odd, torch.nan, lead)
            odd = odd | (left <= 0.0)
        result = expand(E.where(odd, E.constant(1.5 if name == "acosh" else 0.5, parts), parts), _width(x.dtype, n))
        settled, exponent = result if isinstance(result, tuple) else (result, None)
        out = _store(settled, exponent, x.dtype, n)
        return torch.where(odd.unsqueeze(-1), _lead(lead, out), out)

    return _named(name, bound, doc, body, _one(name))


def _named(name: str, bound: float, doc: str, body: Callable[..., Tensor], native: Callable[..., Tensor]) -> Function:
    body.__name__ = body.__qualname__ = name
    body.__doc__ = doc
    BOUNDS[name] = bound
    return Function(body, native)


def _scaled(x: Parts, y: Parts, op: Callable[..., Parts], w: int, sign: int) -> tuple[Parts, Tensor]:
    (x, i), (y, j) = E.scaled(x), E.scaled(y)
    return op(x, y, w), i + sign * j


def _binary(
    name: str, plain: Callable[..., Tensor], expand: Callable[..., tuple[Parts, Tensor]], bound: float, doc: str
) -> Function:
    """A function of two numbers; plain answers where a leading component is not finite, or a divisor is zero."""

    def body(x: Tensor, y: Tensor) -> Tensor:
        _check(name, x, y)
        x, y = torch.broadcast_tensors(x, y)
        n = x.shape[-1]
        a, b = _load(x), _load(y)
        lead = plain(a[0], b[0])
        if _is_plain(x.dtype, n):
            return _store([lead], None, x.dtype, n)
        odd = ~(torch.isfinite(a[0]) & torch.isfinite(b[0]))
        if name == "div":
            odd = odd | (b[0] == 0.0)
        one = E.constant(1.0, a)
        result, exponent = expand(E.where(odd, one, a), E.where(odd, one, b), _width(x.dtype, n))
        out = _store(result, exponent, x.dtype, n)
        return torch.where(odd.unsqueeze(-1), _lead(lead, out), out)

    return _named(name, bound, doc, body, _two(name))


def _plus(a: Parts, b: Parts, w: int) -> tuple[Parts, Tensor]:
    return _settle_safely([*a, *b], w)


def _root(x: Parts, w: int, inverse: bool) -> tuple[Parts, Tensor]:
    m, k = E.scaled(x)
    odd = k % 2
    s = E.sqrt([torch.where(odd == 1, 2.0 * p, p) for p in m], w)
    half = torch.div(k - odd, 2, rounding_mode="floor")
    return (E.div(E.constant(1.0, s), s, w), -half) if inverse else (s, half)


add = _binary("add", torch.add, _plus, 1.01, "x + y, whatever cancels.")
sub = _binary("sub", torch.sub, lambda a, b, w: _plus(a, E.neg(b), w), 1.01, "x - y, whatever cancels.")
mul = _binary("mul", torch.mul, lambda a, b, w: _scaled(a, b, E.mul, w, 1), 1.01, "x y.")
div = _binary("div", torch.div, lambda a, b, w: _scaled(a, b, E.div, w, -1), 1.01, "x / y.")


def _reciprocal(x: Parts, w: int) -> tuple[Parts, Tensor]:
    m, k = E.scaled(x)
    return E.div(E.constant(1.0, m), m, w), -k


def _shift(x: Parts, c: float) -> Tensor:
    """A number with the sign of x + c, for settled x."""
    rest = x[0] + c
    for part in x[1:]:
        rest = torch.where(rest == 0.0, part, rest)
    return rest


def _sized(x: Parts) -> Tensor:
    return x[0].abs()


reciprocal = _elementwise("reciprocal", torch.reciprocal, _reciprocal, 1.01, "1 / x; +-inf at 0.", _sized)
sqrt = _elementwise(
    "sqrt", torch.sqrt, lambda x, w: _root(x, w, False), 1.01, "The square root; nan below 0.", lambda x: x[0]
)
rsqrt = _elementwise(
    "rsqrt", torch.rsqrt, lambda x, w: _root(x, w, True), 1.01, "1 / sqrt(x); inf at 0, nan below.", lambda x: x[0]
)
exp = _elementwise("exp", torch.exp, E.exp, 1.01, "e^x.")
expm1 = _elementwise("expm1", torch.expm1, E.expm1, 1.01, "e^x - 1, relatively accurate near 0.")
log = _elementwise(
    "log", torch.log, E.log, 1.01, "The natural logarithm, relatively accurate near 1; -inf at 0, nan below.",
    lambda x: x[0],
)  # fmt: skip
log1p = _elementwise(
    "log1p", torch.log1p, E.log1p, 1.01, "log(1 + x), relatively accurate near 0; -inf at -1, nan below.",
    lambda x: _shift(x, 1.0),
)  # fmt: skip
sinh = _elementwise("sinh", torch.sinh, E.sinh, 1.01, "The hyperbolic sine.")
cosh = _elementwise("cosh", torch.cosh, E.cosh, 1.01, "The hyperbolic cosine.")
tanh = _elementwise("tanh", torch.tanh, E.tanh, 1.01, "The hyperbolic tangent.")
asinh = _elementwise("asinh", torch.asinh, E.asinh, 1.01, "The inverse hyperbolic sine.")
acosh = _elementwise(
    "acosh", torch.acosh, E.acosh, 1.01, "The inverse hyperbolic cosine, relatively accurate near 1; nan below.",
    lambda x: _shift(x, -1.0),
)  # fmt: skip
atanh = _elementwise(
    "atanh", torch.atanh, E.atanh, 1.01, "The inverse hyperbolic tangent; +-inf at +-1, nan beyond.",
    lambda x: -_shift(E.absolute(x), -1.0),
)  # fmt: skip
sin = _elementwise("sin", torch.sin, lambda x, w: E.sincos(x, w)[0], 1.01, "The sine, relatively accurate.")
cos = _elementwise("cos", torch.cos, lambda x, w: E.sincos(x, w)[1], 1.01, "The cosine, relatively accurate.")


def neg(x: Tensor) -> Tensor:
    """-x, exact."""
    _check("neg", x)
    return -x


def abs(x: Tensor) -> Tensor:
    """|x|, exact."""
    _check("abs", x)
    return torch.where(x[..., :1] < 0.0, -x, x)


def scale(x: Tensor, t: Tensor) -> Tensor:
    """x (S + (N,)) times plain floats (S) of the components' dtype; the bound is that of `mul`."""
    return cast(Tensor, mul(x, from_float(t, x.shape[-1])))


@served(_two("pow"))
def pow(x: Tensor, y: Tensor) -> Tensor:
    """x^y = exp(y log x), with IEEE's special cases; a negative x wants an integer y."""
    _check("pow", x, y)
    x, y = torch.broadcast_tensors(x, y)
    n = x.shape[-1]
    a, b = _load(x), _load(y)
    if _is_plain(x.dtype, n):
        return _store([torch.pow(a[0], b[0])], None, x.dtype, n)
    whole = functools.reduce(torch.logical_and, (p == p.round() for p in b))
    uneven = functools.reduce(torch.add, (torch.fmod(p, 2.0) for p in b)).remainder(2.0) == 1.0
    size = E.absolute(a)
    beside_one = _shift(size, -1.0)
    lead = torch.pow(size[0], b[0])
    lead = torch.where(torch.isinf(b[0]), torch.where((beside_one > 0.0) == (b[0] > 0.0), torch.inf, 0.0), lead)
    lead = torch.where((beside_one == 0.0) & ((a[0] > 0.0) | ~torch.isnan(b[0])), 1.0, lead)
    lead = torch.where(torch.isnan(a[0]) & (b[0] != 0.0), torch.nan, lead)
    odd = ~(torch.isfinite(a[0]) & torch.isfinite(b[0])) | (a[0] == 0.0) | (b[0] == 0.0) | (beside_one == 0.0)
    w = _width(x.dtype, n)
    log_x = E.log(E.where(odd, E.constant(1.5, a), size), w)
    product, exponent = _scaled(log_x, E.where(odd, E.constant(1.0, b), b), E.mul, w, 1)
    m, k = E.exp(E.ldexp(product, exponent.clamp(max=20)), w)  # beyond 2^18 it is all one
    out = _store(m, k, x.dtype, n)
    out = torch.where(odd.unsqueeze(-1), _lead(lead, out), out)
    out = torch.where((a[0] < 0.0).unsqueeze(-1) & uneven.unsqueeze(-1), -out, out)
    negative = (a[0] < 0.0) & torch.isfinite(a[0]) & ~whole
    return torch.where(negative.unsqueeze(-1), _lead(torch.full_like(lead, torch.nan), out), out)


BOUNDS["pow"] = 1.01


def _powi(x: Tensor, k: int) -> Tensor:
    _check_powi(x, k)
    return cast(Tensor, torch.ops.hypgeo.multifloat.default(x, None, _CODES["powi"], k))


def _check_powi(x: Tensor, k: int) -> None:
    _check("powi", x)
    if builtins.abs(k) >= 1 << 40:
        raise ValueError(f"powi takes an integer exponent below 2^40 in size, got {k}; use pow")


@served(_powi)
def powi(x: Tensor, k: int) -> Tensor:
    """x^k for a Python integer |k| < 2^40, by squaring."""
    _check_powi(x, k)
    n = x.shape[-1]
    a = _load(x)
    lead = torch.pow(a[0], k)
    if _is_plain(x.dtype, n):
        return _store([lead], None, x.dtype, n)
    w = _width(x.dtype, n)
    odd = ~torch.isfinite(a[0]) | (a[0] == 0.0)
    base, e = E.scaled(E.where(odd, E.constant(1.0, a), a))
    out, j = E.constant(1.0, a), torch.zeros_like(e)
    for bit in bin(builtins.abs(k))[2:]:
        out, i = E.scaled(E.mul(out, out, w))
        j = 2 * j + i
        if bit == "1":
            out, i = E.scaled(E.mul(out, base, w))
            j = j + e + i
    if k < 0:
        out, j = E.div(E.constant(1.0, a), out, w), -j
    result = _store(out, j, x.dtype, n)
    return torch.where(odd.unsqueeze(-1), _lead(lead, result), result)


BOUNDS["powi"] = 1.01

# ---- reductions


def _axes(name: str, x: Tensor, dim: int | Sequence[int] | None) -> tuple[int, ...]:
    """The axes meant, counted from the front."""
    rank = x.dim() - 1
    given = tuple(range(rank)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    for d in given:
        if not -builtins.max(rank, 1) <= d < builtins.max(rank, 1):
            raise IndexError(f"{name} got dimension {d} for a number tensor of {rank} dimensions")
    axes = tuple(sorted({d % rank for d in given})) if rank else ()
    if rank and len(axes) != len(given):
        raise ValueError(f"{name} got a dimension twice: {given}")
    return axes


def _front(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, torch.Size]:
    """x with these axes as one axis in front, and the shape of the others."""
    rest = [d for d in range(x.dim()) if d not in axes]
    shape = torch.Size(x.shape[d] for d in rest)
    count = 1
    for d in axes:
        count *= x.shape[d]
    return x.permute(*axes, *rest).reshape(count, *shape), shape


def _back(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    for d in axes if keepdim else ():
        x = x.unsqueeze(d)
    return x


def _finite(run: Callable[[Parts], Parts], parts: Parts) -> tuple[Parts, Tensor]:
    """run(parts) for a sum, and an exponent; once more with smaller parts where a float64 overflows on the way."""
    out = run(parts)
    over = ~torch.isfinite(out[0])
    if not bool(over.any()):
        return out, torch.zeros_like(out[0], dtype=torch.int64)
    return E.where(over, run(E.times(parts, 2.0**-64)), out), torch.where(over, 64, 0)


def _total(parts: Parts, w: int) -> Parts:
    """The sum along the first axis, pairwise."""
    while len(parts[0]) > 1:
        if len(parts[0]) % 2:
            parts = [torch.cat([p, torch.zeros_like(p[:1])]) for p in parts]
        half = len(parts[0]) // 2
        parts = E.add([p[:half] for p in parts], [p[half:] for p in parts], w)
    return [p.sum(0) for p in parts]


def _line(name: str, kind: int, x: Tensor, dim: int | Sequence[int] | None, keepdim: bool) -> Tensor:
    """Sums or products by the compiled op, which takes (outer, count, inner, N)."""
    _check(name, x)
    axes = _axes(name, x, dim)
    n = x.shape[-1]
    if not axes:
        return cast(Tensor, renorm(x))
    block = tuple(range(axes[0], axes[0] + len(axes)))
    rest = [d for d in range(x.dim() - 1) if d not in axes]
    if axes != block:
        x, left = x.permute(*axes, *rest, x.dim() - 1), 0
    else:
        left = axes[0]
    middle = slice(left, left + len(axes))
    sizes = [math.prod(x.shape[:left]), math.prod(x.shape[middle]), math.prod(x.shape[left + len(axes) : -1])]
    given = [x.shape[d] for d in range(x.dim() - 1) if not middle.start <= d < middle.stop]
    out = torch.ops.hypgeo.multifloat_lines.default(x.reshape(*sizes, n).contiguous(), kind)
    return _back(out.reshape(*given, n), axes, keepdim)


def _sum(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    return _line("sum", 0, x, dim, keepdim)


def _prod(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    return _line("prod", 2, x, dim, keepdim)


def _cumsum(x: Tensor, dim: int) -> Tensor:
    _check("cumsum", x)
    (axis,) = _axes("cumsum", x, dim) or (None,)
    if axis is None:
        return x.clone()
    sizes = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 : -1]), x.shape[-1]
    out = torch.ops.hypgeo.multifloat_lines.default(x.reshape(sizes).contiguous(), 1)
    return cast(Tensor, out.reshape(x.shape))


@served(_sum)
def sum(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """The sum over dimensions of S (all when left out)."""
    _check("sum", x)
    axes = _axes("sum", x, dim)
    n = x.shape[-1]
    rows, _ = _front(x, axes)
    parts, w = _load(rows), _width(x.dtype, n)
    odd = ~torch.isfinite(parts[0])
    lead = parts[0].sum(0)
    total, exponent = _finite(lambda p: _total(p, w), E.where(odd, E.constant(0.0, parts), parts))
    out = _store(total, exponent, x.dtype, n)
    return _back(torch.where(odd.any(0).unsqueeze(-1), _lead(lead, out), out), axes, keepdim)


BOUNDS["sum"] = 1.01


@served(_cumsum)
def cumsum(x: Tensor, dim: int) -> Tensor:
    """The running sum along a dimension of S."""
    _check("cumsum", x)
    (axis,) = _axes("cumsum", x, dim) or (None,)
    if axis is None:
        return x.clone()
    n = x.shape[-1]
    parts, w = _load(x.movedim(axis, 0)), _width(x.dtype, n)
    odd = ~torch.isfinite(parts[0])
    lead = parts[0].cumsum(0)

    def run(t: Parts) -> Parts:
        shift = 1
        while shift < len(t[0]):
            more = E.add([p[shift:] for p in t], [p[:-shift] for p in t], w)
            t = t + [torch.zeros_like(t[0])] * (w - len(t))
            t = [torch.cat([p[:shift], q]) for p, q in zip(t, more, strict=True)]
            shift *= 2
        return t

    total, exponent = _finite(run, E.where(odd, E.constant(0.0, parts), parts))
    out = _store(total, exponent, x.dtype, n)
    out = torch.where((odd.cumsum(0) > 0).unsqueeze(-1), _lead(lead, out), out)
    return out.movedim(0, axis)


BOUNDS["cumsum"] = 1.01


@served(_prod)
def prod(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The product along a dimension of S (over all when left out); no intermediate overflows."""
    _check("prod", x)
    axes = _axes("prod", x, dim)
    n = x.shape[-1]
    rows, _ = _front(x, axes)
    parts, w = _load(rows), _width(x.dtype, n)
    odd = ~torch.isfinite(parts[0])
    lead = torch.where(odd | (parts[0] == 0.0), parts[0], parts[0].sign()).prod(0)
    out, e = E.scaled(E.where(odd, E.constant(1.0, parts), parts))
    while len(e) > 1:
        if len(e) % 2:
            out = [torch.cat([p, torch.full_like(p[:1], float(i == 0))]) for i, p in enumerate(out)]
            e = torch.cat([e, torch.zeros_like(e[:1])])
        half = len(e) // 2
        out, k = E.scaled(E.mul([p[:half] for p in out], [p[half:] for p in out], w))
        e = e[:half] + e[half:] + k
    last = [p.sum(0) for p in out]
    if not len(e):
        last = E.constant(1.0, last)
    result = _store(last, e.sum(0), x.dtype, n)
    return _back(torch.where(odd.any(0).unsqueeze(-1), _lead(lead, result), result), axes, keepdim)


BOUNDS["prod"] = 1.01


def _check_matmul(a: Tensor, b: Tensor) -> None:
    _check("matmul", a, b)
    if a.dim() < 3 or b.dim() < 3 or a.shape[-2] != b.shape[-3]:
        raise ValueError(
            f"matmul takes numbers (..., m, k) and (..., k, n), got {tuple(a.shape[:-1])} and {tuple(b.shape[:-1])};"
            " add an axis of one to a vector"
        )


def _in_one(dtype: torch.dtype, n: int) -> bool:
    """Whether float64 has guard bits enough for a product of matrices."""
    return (dtype is torch.float16 and n <= 4) or (dtype is torch.float32 and n <= 2)


def _in_float64(x: Tensor) -> Tensor:
    """The sum of the components."""
    return functools.reduce(torch.add, x.to(torch.float64).unbind(-1))


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    _check_matmul(a, b)
    n = a.shape[-1]
    if _in_one(a.dtype, n):
        product = _in_float64(a) @ _in_float64(b)
        return cast(Tensor, torch.ops.hypgeo.multifloat_split.default(product, list(PRECISION).index(a.dtype), n))
    batch = torch.broadcast_shapes(a.shape[:-3], b.shape[:-3])
    shape = *batch, a.shape[-3], b.shape[-2], n
    if b.dim() == 3:  # the rows of all of a
        a = a.reshape(1, math.prod(a.shape[:-2]), *a.shape[-2:])
        b = b.unsqueeze(0)
    else:
        many = math.prod(batch)
        a = a.expand(*batch, *a.shape[-3:]).reshape(many, *a.shape[-3:])
        b = b.expand(*batch, *b.shape[-3:]).reshape(many, *b.shape[-3:])
    out, calm = torch.ops.hypgeo.multifloat_matmul.default(a.contiguous(), b.contiguous())
    if not calm:  # perhaps infinite or nan, and then as the leading components have it
        odd = ~torch.isfinite(out[..., 0])
        if bool(odd.any()):
            lead = _in_float64(a) @ _in_float64(b)
            out = torch.where((odd | ~torch.isfinite(lead)).unsqueeze(-1), _lead(lead, out), out)
    return cast(Tensor, out.reshape(shape))


@served(_matmul)
def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Matrix products (..., m, k, N), (..., k, n, N) -> (..., m, n, N)."""
    _check_matmul(a, b)
    n = a.shape[-1]
    lead = _in_float64(a) @ _in_float64(b)
    if _in_one(a.dtype, n):
        return _store([lead], None, a.dtype, n)
    w = _width(a.dtype, n)
    a, b = (torch.where(torch.isfinite(t).all(-1, keepdim=True), t, 0.0) for t in (a, b))
    x, y = _load(a), _load(b)
    total = [torch.zeros_like(lead)]
    for k in range(a.shape[-2]):
        row, column = [p[..., k : k + 1] for p in x], [p[..., k : k + 1, :] for p in y]
        product, exponent = _scaled(row, column, E.mul, w, 1)
        total = E.add(total, E.ldexp(product, exponent), w)
    out = _store(total, None, a.dtype, n)
    return torch.where(torch.isfinite(lead).unsqueeze(-1), out, _lead(lead, out))


BOUNDS["matmul"] = 2.01

# ---- order


@served()
def compare(x: Tensor, y: Tensor) -> Tensor:
    """int8: -1 where x < y, 0 where equal, 1 where x > y, 2 where one is nan.  Canonical components compare in turn."""
    _check("compare", x, y)
    x, y = torch.broadcast_tensors(x, y)
    out = torch.zeros(x.shape[:-1], dtype=torch.int8, device=x.device)
    for a, b in zip(x.unbind(-1), y.unbind(-1), strict=True):
        step = (a > b).to(torch.int8) - (a < b).to(torch.int8)
        out = torch.where(out == 0, step, out)
    return torch.where(torch.isnan(x[..., 0]) | torch.isnan(y[..., 0]), 2, out).to(torch.int8)


def lt(x: Tensor, y: Tensor) -> Tensor:
    """x < y; false beside a nan."""
    return cast(Tensor, compare(x, y) == -1)


def le(x: Tensor, y: Tensor) -> Tensor:
    """x <= y; false beside a nan."""
    return cast(Tensor, compare(x, y) <= 0)


def gt(x: Tensor, y: Tensor) -> Tensor:
    """x > y; false beside a nan."""
    return cast(Tensor, compare(x, y) == 1)


def ge(x: Tensor, y: Tensor) -> Tensor:
    """x >= y; false beside a nan."""
    c = compare(x, y)
    return cast(Tensor, (c == 0) | (c == 1))


def eq(x: Tensor, y: Tensor) -> Tensor:
    """x == y; false beside a nan."""
    return cast(Tensor, compare(x, y) == 0)


def ne(x: Tensor, y: Tensor) -> Tensor:
    """x != y; true beside a nan."""
    return cast(Tensor, compare(x, y) != 0)


def maximum(x: Tensor, y: Tensor) -> Tensor:
    """The larger; nan where one is nan."""
    return torch.where(((compare(x, y) == -1) | torch.isnan(y[..., 0])).unsqueeze(-1), y, x)


def minimum(x: Tensor, y: Tensor) -> Tensor:
    """The smaller; nan where one is nan."""
    return torch.where(((compare(x, y) == 1) | torch.isnan(y[..., 0])).unsqueeze(-1), y, x)


def amax(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The largest along a dimension of S, and the index of its first occurrence; a nan is larger than all."""
    return _extreme("amax", x, dim, keepdim, 1.0)


def amin(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest along a dimension of S, and the index of its first occurrence; a nan is smaller than all."""
    return _extreme("amin", x, dim, keepdim, -1.0)


def _extreme(name: str, x: Tensor, dim: int, keepdim: bool, sign: float) -> tuple[Tensor, Tensor]:
    _check(name, x)
    axes = _axes(name, x, dim)
    if not axes:
        return x.clone(), torch.zeros(x.shape[:-1], dtype=torch.int64, device=x.device)
    (axis,) = axes
    if not x.shape[axis]:
        raise IndexError(f"{name} takes at least one number along dimension {dim}, got the shape {tuple(x.shape[:-1])}")
    left = torch.isnan(x[..., 0])
    left = left | ~left.any(axis, keepdim=True)  # the candidates: the nans where there are any
    for c in x.unbind(-1):
        c = torch.where(left, torch.where(torch.isnan(c), torch.inf, c * sign), -torch.inf)
        left = left & (c == c.amax(axis, keepdim=True))
    index = left.to(torch.int8).argmax(axis, keepdim=True)
    values = torch.take_along_dim(x, index.unsqueeze(-1), axis)
    return (values, index) if keepdim else (values.squeeze(axis), index.squeeze(axis))


def sort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> tuple[Tensor, Tensor]:
    """(values, indices) along a dimension of S, nans as the largest; always stable.

    Stable sorts by each component, the last one first.
    """
    _check("sort", x)
    axes = _axes("sort", x, dim)
    if not axes:
        return x.clone(), torch.zeros(x.shape[:-1], dtype=torch.int64, device=x.device)
    (axis,) = axes
    order = torch.sort(x[..., -1], stable=True, dim=axis, descending=descending).indices
    for i in range(x.shape[-1] - 2, -1, -1):
        key = torch.take_along_dim(x[..., i], order, axis)
        order = torch.take_along_dim(order, torch.sort(key, stable=True, dim=axis, descending=descending).indices, axis)
    return torch.take_along_dim(x, order.unsqueeze(-1), axis), order
