"""The tensor subclass: what it holds, how it is made, how it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, NoReturn, cast

import numpy as np
import torch
from torch import Tensor

from hypgeo.mctensor import exact
from hypgeo.ops import multifloat as mf

__all__ = ["MAX_COMPONENTS", "MCTensor", "join", "kind", "lift", "lifted", "wrap"]

MAX_COMPONENTS = 8
Table = dict[Any, Callable[..., Any]]
ATEN: Table = {}  # hypgeo.mctensor.aten fills it
DERIVED: Table = {}  # functions whose derivative in PyTorch cancels: hypgeo.mctensor.derivatives fills it


class MCTensor(Tensor):
    """Numbers of N components each: a tensor of shape S whose entries are unevaluated sums of N floats.

    An entry is the exact sum of its components, each the rounding of what those before it leave: N float64 components
    are a number of at least 53 N significant bits, as far as the exponents of the dtype reach.  Everything PyTorch does
    with tensors works on these: operators, indexing, broadcasting, in-place forms, ``torch.*`` functions, modules,
    optimisers, and autograd, whose gradients have N components too.

    Parameters
    ----------
    x : number, str, nested list, numpy array, Tensor
        Numbers may be float, int of any size, "0.1" or "1/3", Fraction, Decimal, or mpmath's: converted from what they
        are exactly, rounded once to N components.  A tensor that requires a gradient gets it, rounded to its dtype.
    components : int
        N, from 1 to 8.
    dtype : torch.dtype
        Of the components: float16, float32 or float64.  Default: that of an array of these, else float64.

    Precision: ``hypgeo.ops.multifloat`` states the bound of each operation.  First derivatives are PyTorch's formulas
    in N components; those of ``tanh sigmoid expm1 asinh acosh atanh``, which cancel, are replaced by formulas that do
    not, except in the in-place forms (``x.tanh_()``), whose errors grow as 1 - y² gets small.  ``softplus`` has no
    threshold.  Operands that are plain tensors or numbers are taken exactly; operands of another N or component dtype
    are refused.  Random fills (``uniform_``, ``normal_``) draw the leading component.
    """

    _c: Tensor  # (*shape, N), the components of an entry adjacent in memory

    @staticmethod
    def __new__(
        cls,
        x: Any,
        components: int = 2,
        dtype: torch.dtype | None = None,
        *,
        device: Any = None,
        requires_grad: bool = False,
    ) -> MCTensor:
        _expect_components(components)
        if dtype is not None:
            _expect_dtype(dtype)
        if isinstance(x, MCTensor):
            out = x.with_components(components).to(dtype=dtype or x.dtype, device=device or x.device)
            return cast(MCTensor, out.detach().requires_grad_() if requires_grad else out)
        if isinstance(x, np.ndarray) and x.dtype.kind in "fiub" and x.dtype != np.longdouble:
            x = torch.from_numpy(np.ascontiguousarray(x))
        elif isinstance(x, np.ndarray):
            x = x.tolist()
        if isinstance(x, Tensor):
            if x.is_complex():
                raise TypeError(f"MCTensor holds real numbers, got {x.dtype}")
            if dtype is None:
                dtype = x.dtype if x.dtype in exact.COMPONENT_DTYPES else torch.float64
            x = x.to(device)
            if x.requires_grad and torch.is_grad_enabled() and not requires_grad:
                return _Lift.apply(x, components, dtype)
            return wrap(_spread(x.detach(), components, dtype, copy=True), requires_grad)
        dtype = dtype or torch.float64
        shape, numbers = exact.shape_of(x), list(exact.leaves(x))
        if all(type(v) is float for v in numbers):
            c = _spread(torch.tensor(numbers, dtype=torch.float64), components, dtype, copy=True)
        else:
            c = torch.tensor([exact.components_of(v, components, dtype) for v in numbers], dtype=dtype)
        return wrap(c.reshape(*shape, components).to(device), requires_grad)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    # ------------------------------------------------------------------------------------------ components
    @property
    def components(self) -> Tensor:
        """The components ``(*shape, N)``, a plain tensor on the same memory; differentiable, by components too."""
        return _Parts.apply(self) if self.requires_grad and torch.is_grad_enabled() else self._c

    @property
    def n_components(self) -> int:
        """N."""
        return self._c.shape[-1]

    @classmethod
    def from_components(cls, c: Tensor, *, renormalize: bool = False) -> MCTensor:
        """The numbers whose components are c ``(*shape, N)``; differentiable.

        Components must be in order, each the rounding of the rest; ``renormalize=True`` makes any finite floats so.
        """
        if not isinstance(c, Tensor) or c.dim() == 0:
            raise TypeError("MCTensor.from_components takes a tensor with the components in its last axis")
        _expect_dtype(c.dtype)
        _expect_components(c.shape[-1])
        with torch.no_grad():
            why = _why_not(c.detach(), renormalize)
        if why is not None:
            raise ValueError(f"MCTensor.from_components: {why}")
        return join(c, renormalize)

    def with_components(self, components: int) -> MCTensor:
        """The same numbers with more components, or rounded to fewer."""
        _expect_components(components)
        n = self.n_components
        if components == n:
            return self
        return _Resize.apply(self, components)

    def ldexp(self, exponent: Tensor) -> MCTensor:  # type: ignore[override]
        """The numbers times 2^exponent, whole numbers that broadcast against them: exact where the result has floats."""
        return _Ldexp.apply(self, exponent)

    def value(self) -> Tensor:
        """The numbers as plain floats of the component dtype: the leading components, which are the nearest floats."""
        return _Value.apply(self)

    # ------------------------------------------------------------------------------------------ reading
    def to_fractions(self) -> Any:
        """The exact numbers, a nested list of Fraction (a Fraction when there are no axes)."""
        rows = self._c.detach().double().reshape(-1, self.n_components).tolist()
        return _nest([sum(map(Fraction, row), Fraction(0)) for row in rows], tuple(self.shape))

    def tolist(self) -> Any:
        """The numbers rounded to floats, as a nested list; :meth:`to_fractions` has them exactly."""
        return self._c[..., 0].tolist()

    def decimals(self, digits: int | None = None) -> Any:
        """The numbers as a nested list of Decimal; by default 17 digits, with two float64 components 33, ..."""
        places = exact.digits(self.n_components, self.dtype) if digits is None else digits
        rows = self._c.detach().double().reshape(-1, self.n_components).tolist()
        return _nest([exact.decimal_of(row, places) for row in rows], tuple(self.shape))

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        c, n = self._c.detach(), self.n_components
        text = _text(c, exact.digits(n, c.dtype), 1000)
        tail = f", components={n}, dtype={c.dtype}"
        if c.device.type != "cpu":
            tail += f", device={str(c.device)!r}"
        if self.grad_fn is not None:
            tail += f", grad_fn=<{type(self.grad_fn).__name__}>"
        elif self.requires_grad:
            tail += ", requires_grad=True"
        lead = "Parameter(" if isinstance(self, torch.nn.Parameter) else ""
        return f"{lead}MCTensor({text}{tail})" + ")" * bool(lead)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        if self.dim():
            return format(repr(self), spec)
        return format(self.decimals() if spec else repr(self), spec)

    def numpy(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("MCTensor has no numpy form: take .value() for rounded floats or .components for all of them")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.numpy()

    # ------------------------------------------------------------------------------------------ copies
    def __deepcopy__(self, memo: dict[int, Any]) -> MCTensor:
        if not self.is_leaf:
            raise RuntimeError("only leaves can be deep-copied; detach() the MCTensor first")
        if id(self) in memo:
            return memo[id(self)]
        out = wrap(self._c.detach().clone(), self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            out._is_param = True
        if self.grad is not None:
            out.grad = self.grad.detach().clone()
        memo[id(self)] = out
        return out

    def __reduce_ex__(self, proto: Any) -> Any:
        return _rebuild, (self._c.detach(), self.requires_grad, isinstance(self, torch.nn.Parameter))

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["_c"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], meta: None, size: Any, stride: Any) -> MCTensor:
        return wrap(inner["_c"])

    # ------------------------------------------------------------------------------------------ PyTorch's calls
    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            derived = DERIVED.get(func)
            if derived is not None:
                return derived(*args, **kwargs)
            for a in args:
                if type(a) is int:
                    if not -(2**63) <= a < 2**63:  # more than PyTorch passes on
                        return func(*lifted(args), **kwargs)
                elif type(a) is Tensor and a.requires_grad and torch.is_grad_enabled():
                    return func(*lifted(args), **kwargs)
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        entry = ATEN.get(func)
        if entry is None:
            from hypgeo.mctensor.aten import resolve

            entry = ATEN[func] = resolve(func)
        return entry(*args, **kwargs) if kwargs else entry(*args)


# ------------------------------------------------------------------------------------------ making them
def wrap(c: Tensor, requires_grad: bool = False) -> MCTensor:
    """The tensor on component memory c ``(*shape, N)``, which is copied only where components are not adjacent."""
    n = c.shape[-1]
    strides = c.stride()
    if n > 1 and (strides[-1] != 1 or any(s % n for s in strides[:-1])):
        c = c.clone(memory_format=torch.contiguous_format)
        strides = c.stride()
    out = Tensor._make_wrapper_subclass(
        MCTensor,
        c.shape[:-1],
        strides=tuple([s // n for s in strides[:-1]]),
        storage_offset=c.storage_offset() // n,
        dtype=c.dtype,
        device=c.device,
        requires_grad=requires_grad,
    )
    out._c = c
    return out


def join(c: Tensor, renormalize: bool = False) -> MCTensor:
    """:meth:`MCTensor.from_components` without its checks."""
    return _Join.apply(c, renormalize)


def kind(x: MCTensor) -> tuple[int, torch.dtype, torch.device]:
    """N, component dtype and device."""
    return x._c.shape[-1], x._c.dtype, x._c.device


def lift(x: Any, n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The components of an operand beside others of N components and this dtype."""
    if isinstance(x, MCTensor):
        c = x._c
        if c.shape[-1] != n or c.dtype != dtype:
            raise ValueError(  # a TypeError would become Python's "unsupported operand type(s)"
                f"MCTensors of {n} {_short(dtype)} and {c.shape[-1]} {_short(c.dtype)} components do not mix: "
                f"convert one by .with_components(N) or .to(dtype)"
            )
        return c
    if isinstance(x, Tensor):
        return _spread(x, n, dtype)
    return _constant(type(x).__name__, x, n, dtype, device)


@lru_cache(maxsize=1024)
def _constant(kind_of_number: str, x: Any, n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    if isinstance(x, complex):
        raise ValueError(f"MCTensor holds real numbers, got {x!r}")
    return torch.tensor(exact.components_of(x, n, dtype), dtype=dtype, device=device)


def _spread(x: Tensor, n: int, dtype: torch.dtype, copy: bool = False) -> Tensor:
    """Plain numbers, of any real dtype, as n components each."""
    if x.dtype == dtype:
        c = x.new_zeros(*x.shape, n)
        c[..., 0] = x
        return c
    if x.dtype == torch.bool or (not x.is_floating_point() and x.element_size() == 1):
        return _spread(x.to(dtype), n, dtype)
    if not x.is_floating_point():
        # two halves of 32 bits, exact in float64
        wide = x.to(torch.int64)
        low = wide & 0xFFFFFFFF
        parts = [(wide - low).double(), low.double()]
    else:
        parts = [x.double()]
    return resplit(torch.stack(parts, -1), n, dtype)


def resplit(c: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """Component sums of one dtype ``(*shape, m)`` as canonical ones of n components of another."""
    if c.dtype != dtype:
        # each float as the floats that hold it: 53 bits need 3 of float32's 24, 5 of float16's 11
        pieces = []
        rest = c.double()
        for _ in range(math.ceil(torch.finfo(c.dtype).bits / torch.finfo(dtype).bits) + 1):
            piece = rest.to(dtype)
            pieces.append(piece)
            if c.dtype.itemsize <= dtype.itemsize:
                break
            rest = torch.where(piece.isfinite(), rest - piece.double(), 0.0)
        c = torch.stack(pieces, -1).flatten(-2)
    return mf.renorm(c, n)


def _nest(flat: Sequence[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return flat[0]
    size = math.prod(shape[1:])
    return [_nest(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def _text(c: Tensor, places: int, most: int) -> str:
    """Entries as PyTorch prints tensors: aligned, the middle left out of long axes of large ones."""
    short = c[..., 0].numel() > most

    def entry(v: Tensor) -> str:
        parts = tuple(v.double().tolist())
        for fewer in (2, 1, 0):  # as few digits as give the same components back
            d: Decimal = exact.decimal_of(list(parts), places - fewer)
            if not d.is_finite() or exact.components_of(d, len(parts), c.dtype) == parts:
                break
        if not d.is_finite():
            return str(float(d))
        shorter = d.normalize(Context(prec=places))
        return "0" if not d else f"{shorter if int(shorter.as_tuple().exponent) <= 0 else d:g}"

    def block(v: Tensor, indent: int) -> str:
        if v.dim() == 1:
            return entry(v)
        rows = list(range(len(v)))
        keep: list[int | None] = [*rows[:3], None, *rows[-3:]] if short and len(rows) > 6 else [*rows]
        gap = ", " if v.dim() == 2 else "," + "\n" * (v.dim() - 2) + " " * (indent + 1)
        return "[" + gap.join("..." if i is None else block(v[i], indent + 1) for i in keep) + "]"

    return block(c.cpu(), len("MCTensor("))


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _expect_components(n: object) -> None:
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MAX_COMPONENTS:
        raise ValueError(f"an MCTensor has 1 to {MAX_COMPONENTS} components, got {n!r}")


def _expect_dtype(dtype: object) -> None:
    if dtype not in exact.COMPONENT_DTYPES:
        raise TypeError(f"components of an MCTensor are float16, float32 or float64, got {dtype}")


def _why_not(c: Tensor, any_order: bool) -> str | None:
    """Why these are no components, in a sentence, or None."""
    bad = c.isnan().any(-1)
    if bool(bad.any()):
        return f"{int(bad.sum())} of {bad.numel()} numbers have NaN components; give finite floats"
    bad = c[..., 1:].isinf().any(-1)
    if bool(bad.any()):
        return (
            f"{int(bad.sum())} of {bad.numel()} numbers have an infinite component after the first; give finite floats"
        )
    if not any_order:
        bad = (mf.renorm(c, c.shape[-1]) != c).any(-1)
        if bool(bad.any()):
            return (
                f"{int(bad.sum())} of {bad.numel()} numbers have components out of order, where each must be at most "
                "half an ulp of the one before; pass renormalize=True to have them put in order"
            )
    return None


def lifted(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands that PyTorch would not pass on as they are: plain tensors whose gradients are to come back rounded and
    plain, and integers beyond 64 bits."""
    first = next((a for a in args if isinstance(a, MCTensor)), None)
    if first is None:
        return args
    n, dtype, device = kind(first)

    def one(a: Any) -> Any:
        if type(a) is int and not -(2**63) <= a < 2**63:
            return MCTensor(a, n, dtype, device=device)
        if isinstance(a, Tensor) and not isinstance(a, MCTensor) and a.requires_grad:
            return _Lift.apply(a, n, dtype)
        return a

    return tuple(map(one, args))


def _rebuild(c: Tensor, requires_grad: bool, parameter: bool) -> MCTensor:
    out = wrap(c, requires_grad)
    if parameter:
        out._is_param = True
    return out


# ------------------------------------------------------------------------------------------ between plain and MC
def _as_mc(g: Tensor, n: int, dtype: torch.dtype) -> MCTensor:
    return g if isinstance(g, MCTensor) else wrap(_spread(g, n, dtype))


class _Lift(torch.autograd.Function):
    """Plain floats as N components."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, n: int, dtype: torch.dtype) -> MCTensor:
        ctx.dtype = x.dtype
        return wrap(_spread(x, n, dtype, copy=True))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        plain = g.value() if isinstance(g, MCTensor) else g
        return plain.to(ctx.dtype), None, None


class _Value(torch.autograd.Function):
    """The leading component."""

    @staticmethod
    def forward(ctx: Any, x: MCTensor) -> Tensor:
        ctx.kind = kind(x)
        return x._c[..., 0].clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Lift.apply(g, *ctx.kind[:2])


class _Join(torch.autograd.Function):
    """Components as numbers; the gradient's components are that of the components."""

    @staticmethod
    def forward(ctx: Any, c: Tensor, renormalize: bool) -> MCTensor:
        return wrap(mf.renorm(c, c.shape[-1]) if renormalize else c.clone())

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Parts.apply(g).clone(), None  # others may hold g, and PyTorch adds to plain gradients in place


class _Parts(torch.autograd.Function):
    """Numbers as components."""

    @staticmethod
    def forward(ctx: Any, x: MCTensor) -> Tensor:
        return x._c.view_as(x._c)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Join.apply(g, True)


class _Resize(torch.autograd.Function):
    """Another number of components."""

    @staticmethod
    def forward(ctx: Any, x: MCTensor, n: int) -> MCTensor:
        ctx.n = x.n_components
        return wrap(mf.renorm(x._c, n))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Resize.apply(g, ctx.n), None


class _Ldexp(torch.autograd.Function):
    """Components times a power of two."""

    @staticmethod
    def forward(ctx: Any, x: MCTensor, exponent: Tensor) -> MCTensor:
        ctx.exponent = exponent
        one = torch.ones_like(exponent, dtype=torch.float64)
        half = exponent.div(2, rounding_mode="floor")  # 2^1074 has no float
        first, second = (torch.ldexp(one, e).unsqueeze(-1) for e in (half, exponent - half))
        return wrap((x._c.double() * first * second).to(x._c.dtype))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Ldexp.apply(g, ctx.exponent), None
