"""PyTorch's operators on MCTensors: what each does to the components.  ``hypgeo.ops.multifloat`` has the arithmetic."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hypgeo.mctensor.exact import COMPONENT_DTYPES
from hypgeo.mctensor.tensor import ATEN, MCTensor, kind, lift, resplit, wrap
from hypgeo.ops import multifloat as mf

__all__ = ["accumulate", "resolve"]

aten = torch.ops.aten
Handler = Callable[..., Any]
# whose decompositions round constants to one float: an error of 2^-53 in a number that claims more bits
_COARSE = set(
    """gelu gelu_backward special_ndtri special_log_ndtr logit deg2rad rad2deg hardsigmoid smooth_l1_loss huber_loss
    native_layer_norm native_group_norm native_batch_norm _native_batch_norm_legit celu elu_backward""".split()
)


def _on(*names: str) -> Callable[[Handler], Handler]:
    """Registers a handler under operators "name.overload"."""

    def register(f: Handler) -> Handler:
        for name in names:
            packet, _, overload = name.partition(".")
            ATEN[getattr(getattr(aten, packet), overload or "default")] = f
        return f

    return register


# ------------------------------------------------------------------------------------------ what has no entry
def resolve(func: Any) -> Handler:
    """A handler for an operator without an entry: in place through the operator that makes a new tensor, or PyTorch's
    decomposition into others."""
    name = func._schema.name.split("::")[-1]
    if func.namespace == "aten" and name.endswith("_") and not name.endswith("__"):
        packet = getattr(aten, name[:-1], None)
        pure = getattr(packet, func._overloadname, None) if packet is not None else None
        if pure is not None:
            return _in_place(name, ATEN.get(pure) or resolve(pure))
    if name not in _COARSE and not func._overloadname.endswith("out"):
        table = torch._decomp.decomposition_table
        if func in table:
            return _guarded(func, table[func])
        if func.namespace == "prims":
            return func.impl_aten
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            return _guarded(func, func.decompose)
    return _refusal(func)


_busy = threading.local()


def _guarded(func: Any, decomposed: Handler) -> Handler:
    """A decomposition, refused where it comes back to its own operator."""

    def run(*args: Any, **kwargs: Any) -> Any:
        busy = _busy.__dict__.setdefault("operators", set())
        if func in busy:
            return _refusal(func)()
        busy.add(func)
        try:
            return decomposed(*args, **kwargs)
        finally:
            busy.discard(func)

    return run


def _refusal(func: Any) -> Handler:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"MCTensor has no {func._schema.name} ({func._overloadname}): take .value() for the rounded floats, or "
            "compute it from the operations that hypgeo.ops.multifloat lists"
        )

    return refuse


def _in_place(name: str, pure: Handler) -> Handler:
    def change(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(x, MCTensor):
            raise TypeError(
                f"{name} would write an MCTensor into a plain tensor; add .value() to round it, or make the plain "
                "tensor an MCTensor first"
            )
        out = pure(x, *args, **kwargs)
        c = lift(out, *kind(x))
        if c.shape[:-1] != x._c.shape[:-1]:
            raise RuntimeError(
                f"{name}: the result has shape {tuple(c.shape[:-1])} and does not fit in place of "
                f"{tuple(x._c.shape[:-1])}; use the form without the underscore"
            )
        x._c.copy_(c)
        return x

    return change


# ------------------------------------------------------------------------------------------ helpers
def _first(*args: Any) -> MCTensor:
    for a in args:
        if isinstance(a, MCTensor):
            return a
        if isinstance(a, list | tuple):
            for b in a:
                if isinstance(b, MCTensor):
                    return b
    raise AssertionError("no MCTensor among the arguments")


def _all(*args: Any) -> list[Tensor]:
    """Components of the operands, the plain ones converted."""
    k = kind(_first(*args))
    return [lift(a, *k) for a in args]


def _axis(dim: int, ndim: int) -> int:
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexError(f"dim {dim} is not an axis of a tensor of {ndim} axes")
    return dim % max(ndim, 1)


def _axes(dims: int | Sequence[int] | None, ndim: int) -> list[int]:
    """Sorted axes; all of them for None or none."""
    if dims is None:
        return list(range(ndim))
    listed = [dims] if isinstance(dims, int) else list(dims)
    if not listed:
        return list(range(ndim))
    if ndim == 0:
        return []
    return sorted({_axis(d, ndim) for d in listed})


def _fold(c: Tensor, axes: list[int]) -> Tensor:
    """Components with the axes made one, the last before the components: (kept..., entries, N)."""
    ndim = c.dim() - 1
    keep = [d for d in range(ndim) if d not in axes]
    if len(axes) == 1:
        return c if axes[0] == ndim - 1 else c.movedim(axes[0], -2)
    size = math.prod(c.shape[d] for d in axes)
    return c.permute(*keep, *axes, ndim).reshape(*[c.shape[d] for d in keep], size, c.shape[-1])


def _kept(c: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    """The reduced axes put back with length 1; c is (kept..., N) or, of plain numbers, has no last axis."""
    if keepdim:
        for d in axes:
            c = c.unsqueeze(d)
    return c


def _reduce(f: Callable[[Tensor], Tensor], x: MCTensor, dims: Any, keepdim: bool) -> MCTensor:
    axes = _axes(dims, x._c.dim() - 1)
    if x._c.dim() == 1:  # a number
        return wrap(x._c.clone())
    return wrap(_kept(f(_fold(x._c, axes)), axes, keepdim))


def _dtype(x: Tensor, dtype: torch.dtype | None) -> Any:
    return x if dtype is None or dtype == x.dtype else aten._to_copy(x, dtype=dtype)


# ------------------------------------------------------------------------------------------ views
@_on("view", "_unsafe_view")
def _view(x: MCTensor, size: Sequence[int]) -> Any:
    return wrap(x._c.view(*size, x._c.shape[-1]))


@_on("_reshape_alias")
def _reshape_alias(x: MCTensor, size: Sequence[int], stride: Sequence[int]) -> Any:
    return wrap(x._c.view(*size, x._c.shape[-1]))


@_on("expand")
def _expand(x: MCTensor, size: Sequence[int], *, implicit: bool = False) -> Any:
    return wrap(x._c.expand(*size, x._c.shape[-1]))


@_on("permute")
def _permute(x: MCTensor, dims: Sequence[int]) -> Any:
    ndim = x._c.dim() - 1
    return wrap(x._c.permute(*[_axis(d, ndim) for d in dims], ndim))


@_on("transpose.int")
def _transpose(x: MCTensor, a: int, b: int) -> Any:
    ndim = x._c.dim() - 1
    return wrap(x._c.transpose(_axis(a, ndim), _axis(b, ndim)) if ndim else x._c.view_as(x._c))


@_on("t")
def _t(x: MCTensor) -> Any:
    return wrap(x._c.transpose(0, 1) if x._c.dim() == 3 else x._c.view_as(x._c))


@_on("select.int")
def _select(x: MCTensor, dim: int, index: int) -> Any:
    return wrap(x._c.select(_axis(dim, x._c.dim() - 1), index))


@_on("slice.Tensor")
def _slice(x: MCTensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return wrap(aten.slice(x._c, _axis(dim, x._c.dim() - 1), start, end, step))


@_on("unsqueeze")
def _unsqueeze(x: MCTensor, dim: int) -> Any:
    return wrap(x._c.unsqueeze(_axis(dim, x._c.dim())))


@_on("squeeze", "squeeze.dim", "squeeze.dims")
def _squeeze(x: MCTensor, dims: int | Sequence[int] | None = None) -> Any:
    axes = range(x._c.dim() - 1) if dims is None else _axes(dims, x._c.dim() - 1) if dims != [] else []
    return wrap(x._c.squeeze(tuple(d for d in axes if x._c.shape[d] == 1)))


@_on("unbind.int")
def _unbind(x: MCTensor, dim: int = 0) -> Any:
    return [wrap(c) for c in x._c.unbind(_axis(dim, x._c.dim() - 1))]


@_on("split.Tensor", "split_with_sizes")
def _split(x: MCTensor, size: Any, dim: int = 0) -> Any:
    return [wrap(c) for c in x._c.split(size, _axis(dim, x._c.dim() - 1))]


@_on("alias", "detach", "lift_fresh")
def _alias(x: MCTensor) -> Any:
    return wrap(x._c.view_as(x._c))


@_on("as_strided")
def _as_strided(x: MCTensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Any:
    c, n = x._c, x._c.shape[-1]
    at = c.storage_offset() if storage_offset is None else storage_offset * n + c.storage_offset() % n
    return wrap(c.as_strided([*size, n], [*[s * n for s in stride], 1], at))


@_on("diagonal")
def _diagonal(x: MCTensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    ndim = x._c.dim() - 1
    return wrap(x._c.diagonal(offset, _axis(dim1, ndim), _axis(dim2, ndim)).transpose(-1, -2))


@_on("unfold")
def _unfold(x: MCTensor, dim: int, size: int, step: int) -> Any:
    return wrap(x._c.unfold(_axis(dim, x._c.dim() - 1), size, step).transpose(-1, -2))


# ------------------------------------------------------------------------------------------ copies, indexing
@_on("clone")
def _clone(x: MCTensor, *, memory_format: torch.memory_format = torch.preserve_format) -> Any:
    return wrap(x._c.clone(memory_format=memory_format))


@_on("copy_")
def _copy(x: Any, y: Any, non_blocking: bool = False) -> Any:
    if not isinstance(x, MCTensor):
        raise TypeError("copy_ would write an MCTensor into a plain tensor; add .value() to round it")
    c = y._c if isinstance(y, MCTensor) and y._c.device != x._c.device else y
    x._c.copy_(lift(y, *kind(x)) if c is y else c, non_blocking)
    return x


@_on("_to_copy")
def _to_copy(
    x: MCTensor,
    *,
    dtype: torch.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: Any = None,
    non_blocking: bool = False,
    memory_format: Any = None,
) -> Any:
    c = x._c
    if dtype is not None and dtype not in COMPONENT_DTYPES:
        if dtype.is_floating_point or dtype.is_complex:
            raise TypeError(f"components are float16, float32 or float64; for {dtype} round by .value() first")
        c = c.to(device)
        if dtype == torch.bool:
            return c[..., 0] != 0
        return _trunc_of(c).to(torch.int64).sum(-1).to(dtype)
    c = c.to(device, copy=True, non_blocking=non_blocking)
    return wrap(c if dtype is None or dtype == c.dtype else resplit(c, c.shape[-1], dtype))


@_on("index.Tensor")
def _index(x: MCTensor, indices: Sequence[Tensor | None]) -> Any:
    return wrap(aten.index(x._c, indices))


@_on("index_select")
def _index_select(x: MCTensor, dim: int, index: Tensor) -> Any:
    return wrap(x._c.index_select(_axis(dim, x._c.dim() - 1), index))


@_on("masked_select")
def _masked_select(x: MCTensor, mask: Tensor) -> Any:
    shape = torch.broadcast_shapes(mask.shape, x._c.shape[:-1])
    return wrap(x._c.expand(*shape, -1)[mask.expand(shape)])


@_on("embedding")
def _embedding(
    weight: MCTensor, index: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    return wrap(weight._c[index])


@_on("embedding_dense_backward")
def _embedding_backward(g: MCTensor, index: Tensor, num: int, padding_idx: int, scale_grad_by_freq: bool) -> Any:
    if scale_grad_by_freq:
        raise TypeError("embeddings of MCTensors do not scale gradients by frequency; leave scale_grad_by_freq out")
    rows, flat = g._c.reshape(-1, *g._c.shape[-2:]), index.reshape(-1)
    if padding_idx >= 0:
        keep = flat != padding_idx
        rows, flat = rows[keep], flat[keep]
    return wrap(accumulate(g._c.new_zeros(num, *g._c.shape[-2:]), flat, rows))


@_on("gather")
def _gather(x: MCTensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Any:
    c = x._c if x._c.dim() > 1 else x._c.unsqueeze(0)
    at = index if index.dim() == c.dim() - 1 else index.unsqueeze(0)
    out = c.gather(_axis(dim, c.dim() - 1), at.unsqueeze(-1).expand(*at.shape, c.shape[-1]))
    return wrap(out.reshape(*index.shape, c.shape[-1]))


@_on("scatter.src", "scatter.value")
def _scatter(x: MCTensor, dim: int, index: Tensor, src: Any) -> Any:
    c, v = _all(x, src)
    n = c.shape[-1]
    v = v.expand(*index.shape, n) if v.dim() == 1 else v[tuple(slice(k) for k in index.shape)]
    return wrap(c.scatter(_axis(dim, c.dim() - 1), index.unsqueeze(-1).expand(*index.shape, n), v))


def _places(c: Tensor) -> Tensor:
    """The number of each entry in order: (*shape)."""
    return torch.arange(c.shape[:-1].numel(), device=c.device).view(c.shape[:-1])


def _add_at(c: Tensor, places: Tensor, v: Tensor) -> MCTensor:
    n = c.shape[-1]
    return wrap(accumulate(c.reshape(-1, n), places.reshape(-1), v.reshape(-1, n)).view(c.shape))


@_on("scatter_add")
def _scatter_add(x: MCTensor, dim: int, index: Tensor, src: Any) -> Any:
    c, v = _all(x, src)
    v = v[tuple(slice(k) for k in index.shape)]
    return _add_at(c, _places(c).gather(_axis(dim, c.dim() - 1), index), v)


@_on("index_put")
def _index_put(x: MCTensor, indices: Sequence[Tensor | None], values: Any, accumulate: bool = False) -> Any:
    c, v = _all(x, values)
    if not accumulate:
        return wrap(aten.index_put(c, indices, v))
    places = aten.index(_places(c), indices)
    return _add_at(c, places, v.expand(*places.shape, c.shape[-1]))


@_on("_unsafe_index_put")
def _unsafe_index_put(x: MCTensor, indices: Sequence[Tensor | None], values: Any, accumulate: bool = False) -> Any:
    return _index_put(x, indices, values, accumulate)


@_on("_index_put_impl_")
def _index_put_impl(x: Any, indices: Any, values: Any, accumulate: bool = False, unsafe: bool = False) -> Any:
    return _in_place("index_put_", _index_put)(x, indices, values, accumulate)


@_on("index_add")
def _index_add(x: MCTensor, dim: int, index: Tensor, source: Any, *, alpha: Any = 1) -> Any:
    c, v = _all(x, source)
    d = _axis(dim, c.dim() - 1)
    v = _scaled(v, alpha)
    return wrap(accumulate(c.movedim(d, 0), index, v.movedim(d, 0)).movedim(0, d))


@_on("index_copy")
def _index_copy(x: MCTensor, dim: int, index: Tensor, source: Any) -> Any:
    c, v = _all(x, source)
    return wrap(c.index_copy(_axis(dim, c.dim() - 1), index, v))


def accumulate(base: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """base ``(n, ..., N)`` with values ``(k, ..., N)`` added to the rows that index ``(k,)`` names, maybe repeatedly.

    Rows that meet are summed in a balanced tree, so that k of them cost log2 k rounds and as many roundings.
    """
    at, order = index.sort(stable=True)
    v = values[order]
    while len(at):
        first = torch.ones_like(at, dtype=torch.bool)
        first[1:] = at[1:] != at[:-1]
        if bool(first.all()):
            break
        number = torch.arange(len(at), device=at.device)
        rank = number - torch.where(first, number, 0).cummax(0).values
        keep = (rank % 2 == 0).nonzero().squeeze(-1)
        paired = torch.zeros_like(first)
        paired[:-1] = (rank[1:] % 2 == 1) & ~first[1:]
        v_next = v[keep]
        both = paired[keep].nonzero().squeeze(-1)
        v_next[both] = mf.add(v[keep[both]], v[keep[both] + 1])
        at, v = at[keep], v_next
    out = base.clone(memory_format=torch.contiguous_format)
    out[at] = mf.add(out[at], v)
    return out


@_on("cat")
def _cat(xs: Sequence[Any], dim: int = 0) -> Any:
    k = kind(_first(xs))
    cs = [lift(x, *k) for x in xs]
    cs = [c for c in cs if c.shape[:-1] != (0,)] or cs[:1]
    return wrap(torch.cat(cs, _axis(dim, cs[0].dim() - 1)))


@_on("stack")
def _stack(xs: Sequence[Any], dim: int = 0) -> Any:
    k = kind(_first(xs))
    cs = [lift(x, *k) for x in xs]
    return wrap(torch.stack(cs, _axis(dim, cs[0].dim())))


@_on("where.self", "where.ScalarOther", "where.ScalarSelf")
def _where(mask: Tensor, a: Any, b: Any) -> Any:
    ca, cb = _all(a, b)
    return wrap(torch.where(mask.unsqueeze(-1), ca, cb))


@_on("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(x: MCTensor, mask: Tensor, value: Any) -> Any:
    c, v = _all(x, value)
    return wrap(torch.where(mask.unsqueeze(-1), v, c))


@_on("masked_scatter")
def _masked_scatter(x: MCTensor, mask: Tensor, source: Any) -> Any:
    c, v = _all(x, source)
    mask = mask.expand(torch.broadcast_shapes(mask.shape, c.shape[:-1]))
    out = c.expand(*mask.shape, c.shape[-1]).clone()
    out[mask] = v.reshape(-1, c.shape[-1])[: int(mask.sum())]
    return wrap(out)


@_on("repeat")
def _repeat(x: MCTensor, repeats: Sequence[int]) -> Any:
    return wrap(x._c.repeat(*repeats, 1))


@_on("repeat_interleave.self_int", "repeat_interleave.self_Tensor")
def _repeat_interleave(x: MCTensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None) -> Any:
    c = x._c.reshape(-1, x._c.shape[-1]) if dim is None else x._c
    return wrap(torch.repeat_interleave(c, repeats, 0 if dim is None else _axis(dim, c.dim() - 1)))


@_on("flip")
def _flip(x: MCTensor, dims: Sequence[int]) -> Any:
    return wrap(x._c.flip([_axis(d, x._c.dim() - 1) for d in dims]))


@_on("roll")
def _roll(x: MCTensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    if not dims:
        return wrap(x._c.reshape(-1, x._c.shape[-1]).roll(shifts, 0).view(x._c.shape))
    return wrap(x._c.roll(shifts, [_axis(d, x._c.dim() - 1) for d in dims]))


@_on("tril")
def _tril(x: MCTensor, diagonal: int = 0) -> Any:
    return wrap(x._c.movedim(-1, 0).tril(diagonal).movedim(0, -1))


@_on("triu")
def _triu(x: MCTensor, diagonal: int = 0) -> Any:
    return wrap(x._c.movedim(-1, 0).triu(diagonal).movedim(0, -1))


@_on("constant_pad_nd")
def _pad(x: MCTensor, pad: Sequence[int], value: Any = 0) -> Any:
    c, v = _all(x, value)
    grown = torch.nn.functional.pad(c, [0, 0, *pad])
    if not value:
        return wrap(grown)
    inside = torch.nn.functional.pad(torch.ones_like(c[..., :1], dtype=torch.bool), [0, 0, *pad])
    return wrap(torch.where(inside, grown, v))


def _placed(g: MCTensor, size: Sequence[int], view: Callable[[Tensor], Tensor]) -> MCTensor:
    """Zeros of that size with the gradient in the place of a view of them."""
    out = g._c.new_zeros(*size, g._c.shape[-1])
    view(out).copy_(g._c)
    return wrap(out)


@_on("select_backward")
def _select_backward(g: MCTensor, size: Sequence[int], dim: int, index: int) -> Any:
    return _placed(g, size, lambda t: t.select(_axis(dim, len(size)), index))


@_on("slice_backward")
def _slice_backward(g: MCTensor, size: Sequence[int], dim: int, start: int, end: int, step: int) -> Any:
    return _placed(g, size, lambda t: aten.slice(t, _axis(dim, len(size)), start, end, step))


@_on("diagonal_backward")
def _diagonal_backward(g: MCTensor, size: Sequence[int], offset: int, dim1: int, dim2: int) -> Any:
    a, b = _axis(dim1, len(size)), _axis(dim2, len(size))
    return _placed(g, size, lambda t: t.diagonal(offset, a, b).transpose(-1, -2))


# ------------------------------------------------------------------------------------------ factories
def _like(x: MCTensor, size: Sequence[int], dtype: Any, device: Any, value: Any = None) -> Any:
    """A tensor of x's kind, plain where another dtype than one of components is asked for."""
    n = x._c.shape[-1]
    dtype, device = dtype or x._c.dtype, device or x._c.device
    if dtype not in COMPONENT_DTYPES:
        return torch.full(tuple(size), 0 if value is None else value, dtype=dtype, device=device)
    c = torch.zeros(*size, n, dtype=dtype, device=device)
    if value:
        c[...] = lift(value, n, dtype, device)
    return wrap(c)


@_on("zeros_like", "empty_like")
def _zeros_like(x: MCTensor, *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    if dtype in (None, x._c.dtype) and device is None:
        return wrap(torch.zeros_like(x._c))
    return _like(x, x._c.shape[:-1], dtype, device)


@_on("ones_like")
def _ones_like(x: MCTensor, *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    return _like(x, x._c.shape[:-1], dtype, device, 1)


@_on("full_like")
def _full_like(x: MCTensor, value: Any, *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    return _like(x, x._c.shape[:-1], dtype, device, value)


@_on("new_zeros", "new_empty")
def _new_zeros(x: MCTensor, size: Sequence[int], *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    return _like(x, size, dtype, device)


@_on("new_ones")
def _new_ones(x: MCTensor, size: Sequence[int], *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    return _like(x, size, dtype, device, 1)


@_on("new_full")
def _new_full(x: MCTensor, size: Sequence[int], value: Any, *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    return _like(x, size, dtype, device, value)


@_on("new_empty_strided")
def _new_empty_strided(
    x: MCTensor, size: Sequence[int], stride: Sequence[int], *, dtype: Any = None, device: Any = None, **_: Any
) -> Any:
    n = x._c.shape[-1]
    c = x._c.new_empty_strided([*size, n], [*[s * n for s in stride], 1], dtype=dtype, device=device)
    return wrap(c.zero_())


@_on("zero_")
def _zero(x: MCTensor) -> Any:
    x._c.zero_()
    return x


@_on("fill_.Scalar", "fill_.Tensor")
def _fill(x: MCTensor, value: Any) -> Any:
    x._c.copy_(lift(value, *kind(x)).expand_as(x._c))
    return x


def _random(name: str) -> None:
    fill = getattr(aten, name)

    @_on(*[f"{name}.{o}" for o in fill.overloads() if "out" not in o and o not in ("Tensor",)])
    def draw(x: MCTensor, *args: Any, **kwargs: Any) -> Any:
        leading = torch.empty_like(x._c[..., 0])
        fill(leading, *args, **kwargs)
        x._c.zero_()
        x._c[..., 0] = leading
        return x


for _name in ("uniform_", "normal_", "bernoulli_", "random_", "exponential_"):
    _random(_name)


@_on("rand_like")
def _rand_like(x: MCTensor, **_: Any) -> Any:
    return wrap(lift(torch.rand_like(x._c[..., 0]), *kind(x)))


@_on("randn_like")
def _randn_like(x: MCTensor, **_: Any) -> Any:
    return wrap(lift(torch.randn_like(x._c[..., 0]), *kind(x)))


# ------------------------------------------------------------------------------------------ arithmetic
def _unary(name: str, f: Callable[[Tensor], Tensor]) -> None:
    @_on(name)
    def apply(x: MCTensor) -> Any:
        return wrap(f(x._c))


for _name in "neg abs sqrt rsqrt reciprocal exp log log1p expm1 sinh cosh tanh asinh acosh atanh sin cos".split():
    _unary(_name, getattr(mf, _name))


def _whole(c: Tensor, f: Callable[[Tensor], Tensor]) -> Tensor:
    """floor or ceil: of the first component that is not whole; those after it move nothing across a whole number."""
    parts = []
    whole = torch.ones_like(c[..., 0], dtype=torch.bool)
    for part in c.unbind(-1):
        parts.append(torch.where(whole, f(part), 0.0))
        whole = whole & (parts[-1] == part)
    return mf.renorm(torch.stack(parts, -1))


def _trunc_of(c: Tensor) -> Tensor:
    return torch.where(c[..., :1] < 0, _whole(c, torch.ceil), _whole(c, torch.floor))


def _round_of(c: Tensor) -> Tensor:
    """To the nearest whole number, ties to even."""
    low = _whole(c, torch.floor)
    half = lift(0.5, c.shape[-1], c.dtype, c.device)
    gap = mf.sub(mf.sub(c, low), half)[..., :1]
    odd = mf.sub(low, _whole(low / 2, torch.floor) * 2)[..., :1] != 0
    up = (gap > 0) | ((gap == 0) & odd)
    return torch.where(up, mf.add(low, lift(1, c.shape[-1], c.dtype, c.device)), low)


_unary("floor", lambda c: _whole(c, torch.floor))
_unary("ceil", lambda c: _whole(c, torch.ceil))
_unary("trunc", _trunc_of)
_unary("round", _round_of)


def _scaled(c: Tensor, alpha: Any) -> Tensor:
    if isinstance(alpha, int | float) and alpha == 1:
        return c
    return mf.mul(c, lift(alpha, c.shape[-1], c.dtype, c.device))


@_on("add.Tensor", "add.Scalar")
def _add(x: Any, y: Any, alpha: Any = 1) -> Any:
    a, b = _all(x, y)
    return wrap(mf.sub(a, b) if alpha == -1 else mf.add(a, _scaled(b, alpha)))


@_on("sub.Tensor", "sub.Scalar")
def _sub(x: Any, y: Any, alpha: Any = 1) -> Any:
    a, b = _all(x, y)
    return wrap(mf.sub(a, _scaled(b, alpha)))


@_on("rsub.Tensor", "rsub.Scalar")
def _rsub(x: Any, y: Any, alpha: Any = 1) -> Any:
    return _sub(y, x, alpha)


@_on("mul.Tensor", "mul.Scalar")
def _mul(x: Any, y: Any) -> Any:
    return wrap(mf.mul(*_all(x, y)))


@_on("div.Tensor", "div.Scalar")
def _div(x: Any, y: Any) -> Any:
    return wrap(mf.div(*_all(x, y)))


@_on("div.Tensor_mode", "div.Scalar_mode")
def _div_mode(x: Any, y: Any, *, rounding_mode: str | None) -> Any:
    if rounding_mode is None:
        return _div(x, y)
    if rounding_mode == "floor":
        return _floor_divide(x, y)
    a, b = _all(x, y)
    q = _whole_quotient(mf.abs(a), mf.abs(b))
    return wrap(torch.where(((a[..., :1] < 0) != (b[..., :1] < 0)), -q, q))


def _whole_quotient(a: Tensor, b: Tensor) -> Tensor:
    """floor(a / b), corrected where the quotient rounded up to, or down from, a whole number."""
    q = _whole(mf.div(a, b), torch.floor)
    one = lift(1, q.shape[-1], q.dtype, q.device)
    rest = mf.sub(a, mf.mul(q, b))[..., :1]
    down, up = b[..., :1] < 0, b[..., :1] > 0
    q = torch.where((up & (rest < 0)) | (down & (rest > 0)), mf.sub(q, one), q)
    rest = mf.sub(mf.sub(a, mf.mul(q, b)), b)[..., :1]
    return torch.where((up & (rest >= 0)) | (down & (rest <= 0)), mf.add(q, one), q)


@_on("floor_divide", "floor_divide.Scalar")
def _floor_divide(x: Any, y: Any) -> Any:
    return wrap(_whole_quotient(*_all(x, y)))


@_on("remainder.Tensor", "remainder.Scalar", "remainder.Scalar_Tensor")
def _remainder(x: Any, y: Any) -> Any:
    a, b = _all(x, y)
    return wrap(mf.sub(a, mf.mul(_whole_quotient(a, b), b)))


@_on("fmod.Tensor", "fmod.Scalar")
def _fmod(x: Any, y: Any) -> Any:
    a, b = _all(x, y)
    size = mf.abs(b)
    r = mf.abs(a)
    r = mf.sub(r, mf.mul(_whole_quotient(r, size), size))
    return wrap(torch.where(a[..., :1] < 0, -r, r))


@_on("frac")
def _frac(x: MCTensor) -> Any:
    return wrap(mf.sub(x._c, _trunc_of(x._c)))


@_on("addcmul")
def _addcmul(x: Any, y: Any, z: Any, *, value: Any = 1) -> Any:
    a, b, c = _all(x, y, z)
    return wrap(mf.add(a, _scaled(mf.mul(b, c), value)))


@_on("addcdiv")
def _addcdiv(x: Any, y: Any, z: Any, *, value: Any = 1) -> Any:
    a, b, c = _all(x, y, z)
    return wrap(mf.add(a, _scaled(mf.div(b, c), value)))


@_on("lerp.Scalar", "lerp.Tensor")
def _lerp(x: Any, y: Any, weight: Any) -> Any:
    a, b, w = _all(x, y, weight)
    return wrap(mf.add(a, mf.mul(w, mf.sub(b, a))))


@_on("sgn", "sign")
def _sign(x: MCTensor) -> Any:
    return wrap(lift(x._c[..., 0].sign(), *kind(x)))


@_on("pow.Tensor_Scalar")
def _pow_scalar(x: MCTensor, p: Any) -> Any:
    c = x._c
    if p == 1:
        return wrap(c.clone())
    if p == 2:
        return wrap(mf.mul(c, c))
    simple = {0.5: mf.sqrt, -0.5: mf.rsqrt, -1: mf.reciprocal}.get(p)
    if simple is not None:
        return wrap(simple(c))
    if float(p).is_integer() and abs(p) < 2**40:
        return wrap(mf.powi(c, int(p)))
    return wrap(mf.pow(c, lift(p, *kind(x))))


@_on("pow.Tensor_Tensor", "pow.Scalar")
def _pow(x: Any, y: Any) -> Any:
    return wrap(mf.pow(*_all(x, y)))


def _log_of(base: int) -> Handler:
    def log(x: MCTensor) -> Any:
        return wrap(mf.div(mf.log(x._c), mf.log(lift(base, *kind(x)))))

    return log


_on("log2")(_log_of(2))
_on("log10")(_log_of(10))


@_on("exp2")
def _exp2(x: MCTensor) -> Any:
    return wrap(mf.pow(lift(2, *kind(x)), x._c))


@_on("tan")
def _tan(x: MCTensor) -> Any:
    return wrap(mf.div(mf.sin(x._c), mf.cos(x._c)))


@_on("hypot")
def _hypot(x: Any, y: Any) -> Any:
    a, b = torch.broadcast_tensors(*_all(x, y))
    return wrap(_length(torch.stack((a, b), -2)))


# ------------------------------------------------------------------------------------------ comparisons
def _comparison(name: str) -> None:
    compare = getattr(mf, name)

    @_on(f"{name}.Tensor", f"{name}.Scalar")
    def apply(x: Any, y: Any) -> Any:
        return compare(*_all(x, y))


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparison(_name)


@_on("isnan")
def _isnan(x: MCTensor) -> Any:
    return x._c[..., 0].isnan()


@_on("isinf")
def _isinf(x: MCTensor) -> Any:
    return x._c[..., 0].isinf()


@_on("any", "any.dim", "any.dims", "all", "all.dim", "all.dims")
def _never(*args: Any, **kwargs: Any) -> Any:
    raise TypeError("any and all take truth values; compare the MCTensor first, x != 0 for instance")


@_on("equal")
def _equal(x: Any, y: Any) -> Any:
    a, b = _all(x, y)
    return a.shape == b.shape and bool((a == b).all())


@_on("_local_scalar_dense")
def _item(x: MCTensor) -> Any:
    return x._c[..., 0].item()


@_on("is_nonzero")
def _is_nonzero(x: MCTensor) -> Any:
    return bool(x._c[..., 0] != 0)


@_on("nonzero")
def _nonzero(x: MCTensor) -> Any:
    return x._c[..., 0].nonzero()


@_on("maximum", "fmax")
def _maximum(x: Any, y: Any) -> Any:
    a, b = _all(x, y)
    return wrap(mf.maximum(a, b))


@_on("minimum", "fmin")
def _minimum(x: Any, y: Any) -> Any:
    a, b = _all(x, y)
    return wrap(mf.minimum(a, b))


@_on("clamp", "clamp.Tensor")
def _clamp(x: MCTensor, low: Any = None, high: Any = None) -> Any:
    c = x._c
    if low is not None:
        c = mf.maximum(c, lift(low, *kind(x)))
    if high is not None:
        c = mf.minimum(c, lift(high, *kind(x)))
    return wrap(c.clone() if c is x._c else c)


@_on("clamp_min", "clamp_min.Tensor")
def _clamp_min(x: MCTensor, low: Any) -> Any:
    return _clamp(x, low)


@_on("clamp_max", "clamp_max.Tensor")
def _clamp_max(x: MCTensor, high: Any) -> Any:
    return _clamp(x, None, high)


# ------------------------------------------------------------------------------------------ reductions
# on entries (..., k, N), along k
def _total(c: Tensor) -> Tensor:
    return mf.sum(c, -1)


def _product(c: Tensor) -> Tensor:
    return mf.prod(c, -1)


def _running_sum(c: Tensor) -> Tensor:
    return mf.cumsum(c, -1)


def _argbest(c: Tensor, best: Callable[..., Tensor]) -> Tensor:
    """The first of the best entries, a nan where there is one: components in turn decide."""
    left = torch.ones_like(c[..., 0], dtype=torch.bool)
    worst = -math.inf if best is torch.amax else math.inf
    for part in c.unbind(-1):
        key = torch.where(left, part, worst)
        top = best(key, -1, keepdim=True)
        left = left & ((part == top) | (part.isnan() & top.isnan()))
    return left.int().argmax(-1)


def _argmax(c: Tensor) -> Tensor:
    return _argbest(c, torch.amax)


def _argmin(c: Tensor) -> Tensor:
    return _argbest(c, torch.amin)


@_on("sum", "sum.dim_IntList")
def _sum(x: MCTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    return _dtype(_reduce(_total, x, dim, keepdim), dtype)


@_on("mean", "mean.dim")
def _mean(x: MCTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    count = math.prod(x._c.shape[d] for d in _axes(dim, x._c.dim() - 1))
    return _dtype(_div(_reduce(_total, x, dim, keepdim), count), dtype)


@_on("var.correction")
def _var(x: MCTensor, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    count = math.prod(x._c.shape[d] for d in _axes(dim, x._c.dim() - 1))
    rest = max(count - (1 if correction is None else correction), 0)
    return _div(_sum(_pow_scalar(_sub(x, _mean(x, dim, True)), 2), dim, keepdim), rest)


@_on("std.correction")
def _std(x: MCTensor, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    return wrap(mf.sqrt(_var(x, dim, correction=correction, keepdim=keepdim)._c))


@_on("prod", "prod.dim_int")
def _prod(x: MCTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    return _dtype(_reduce(_product, x, dim, keepdim), dtype)


@_on("cumsum")
def _cumsum(x: MCTensor, dim: int, *, dtype: Any = None) -> Any:
    return _dtype(_along(_running_sum, x, dim), dtype)


@_on("cumprod")
def _cumprod(x: MCTensor, dim: int, *, dtype: Any = None) -> Any:
    def running(c: Tensor) -> Tensor:
        out = [c[..., :1, :]]
        for i in range(1, c.shape[-2]):
            out.append(mf.mul(out[-1], c[..., i : i + 1, :]))
        return torch.cat(out, -2)

    return _dtype(_along(running, x, dim), dtype)


def _along(f: Callable[[Tensor], Tensor], x: MCTensor, dim: int) -> MCTensor:
    """What keeps the axis that it works along."""
    ndim = x._c.dim() - 1
    if not x._c.numel() or not ndim:
        return wrap(x._c.clone())
    d = _axis(dim, ndim)
    return wrap(f(_fold(x._c, [d])).movedim(-2, d))


def _extreme(name: str, arg: Callable[[Tensor], Tensor]) -> None:
    def entries(c: Tensor, axes: list[int], keepdim: bool) -> tuple[Tensor, Tensor]:
        folded = _fold(c, axes)
        if not folded.shape[-2]:
            raise IndexError(f"{name} of no numbers; give at least one along the axis")
        at = arg(folded)
        best = folded.gather(-2, at[..., None, None].expand(*at.shape, 1, c.shape[-1])).squeeze(-2)
        return _kept(best, axes, keepdim), _kept(at, axes, keepdim)

    def whole(x: MCTensor) -> Any:
        return wrap(entries(x._c, list(range(x._c.dim() - 1)), False)[0])

    def a(x: MCTensor, dim: Any = (), keepdim: bool = False) -> Any:
        if x._c.dim() == 1:
            return wrap(x._c.clone())
        return wrap(entries(x._c, _axes(dim, x._c.dim() - 1), keepdim)[0])

    def along(x: MCTensor, dim: int, keepdim: bool = False) -> Any:
        if x._c.dim() == 1:
            return wrap(x._c.clone()), torch.zeros((), dtype=torch.int64, device=x._c.device)
        best, at = entries(x._c, [_axis(dim, x._c.dim() - 1)], keepdim)
        return wrap(best), at

    def where(x: MCTensor, dim: int | None = None, keepdim: bool = False) -> Any:
        if x._c.dim() == 1:
            return torch.zeros((), dtype=torch.int64, device=x._c.device)
        return entries(x._c, _axes(dim, x._c.dim() - 1), keepdim)[1]

    _on(name)(whole)
    _on(f"a{name}")(a)
    _on(f"{name}.dim")(along)
    _on(f"arg{name}")(where)


_extreme("max", _argmax)
_extreme("min", _argmin)


@_on("sort", "sort.stable")
def _sort(x: MCTensor, *args: Any, dim: int = -1, descending: bool = False, stable: bool | None = None) -> Any:
    if args:  # sort(x, dim, descending)
        dim, descending = (*args, descending)[:2] if len(args) < 3 else args[-2:]
    if x._c.dim() == 1:
        return wrap(x._c.clone()), torch.zeros((), dtype=torch.int64, device=x._c.device)
    d = _axis(dim, x._c.dim() - 1)
    c = _fold(x._c, [d])
    order = _order(c, descending)
    sorted_ = c.gather(-2, order.unsqueeze(-1).expand(*order.shape, c.shape[-1]))
    return wrap(sorted_.movedim(-2, d)), order.movedim(-1, d)


def _order(c: Tensor, descending: bool) -> Tensor:
    """Stable order of entries ``(..., k, N) -> (..., k)``: components in turn, from the last, decide."""
    order = torch.arange(c.shape[-2], device=c.device).expand(c.shape[:-1])
    for i in reversed(range(c.shape[-1])):
        key = c[..., i].gather(-1, order)
        order = order.gather(-1, key.sort(dim=-1, descending=descending, stable=True).indices)
    return order


@_on("argsort", "argsort.stable")
def _argsort(x: MCTensor, *args: Any, **kwargs: Any) -> Any:
    return _sort(x, *args, **kwargs)[1]


@_on("topk")
def _topk(x: MCTensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    values, at = _sort(x, dim, largest)
    d = _axis(dim, x._c.dim() - 1)
    return wrap(values._c.narrow(d, 0, k).contiguous()), at.narrow(d, 0, k)


def _power_of_two(c: Tensor) -> Tensor:
    """A power of two near the largest entry: (..., 1, 1), 1 where there is none; dividing by it is exact."""
    top = c[..., 0].abs().amax(-1, keepdim=True).unsqueeze(-1) if c.shape[-2] else c.new_ones(*c.shape[:-2], 1, 1)
    _, e = torch.frexp(top.double())
    size = torch.ldexp(torch.ones_like(top, dtype=torch.float64), e).to(c.dtype)
    return torch.where((top > 0) & size.isfinite() & (size > 0), size, 1.0)


def _length(c: Tensor) -> Tensor:
    """Euclidean length of entries ``(..., k, N) -> (..., N)``, where squares would overflow too."""
    size = _power_of_two(c)
    v = c / size
    return mf.sqrt(_total(mf.mul(v, v))) * size.squeeze(-2)


@_on("linalg_vector_norm")
def _vector_norm(x: MCTensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    x = _dtype(x, dtype)
    if x._c.dim() == 1:
        return wrap(mf.abs(x._c)) if ord else _zero_norm(x, dim, keepdim)
    if ord == 2:
        return _reduce(_length, x, dim, keepdim)
    if ord == math.inf:
        return aten.amax(aten.abs(x), [] if dim is None else dim, keepdim)
    if ord == -math.inf:
        return aten.amin(aten.abs(x), [] if dim is None else dim, keepdim)
    if ord == 0:
        return _zero_norm(x, dim, keepdim)
    if ord == 1:
        return _reduce(lambda c: _total(mf.abs(c)), x, dim, keepdim)
    total = _sum(_pow_scalar(wrap(mf.abs(x._c)), ord), dim, keepdim)
    return wrap(mf.pow(total._c, mf.reciprocal(lift(ord, *kind(x)))))


def _zero_norm(x: MCTensor, dim: Any, keepdim: bool) -> MCTensor:
    return _sum(wrap(lift((x._c[..., 0] != 0).to(x._c.dtype), *kind(x))), dim, keepdim)


# ------------------------------------------------------------------------------------------ products
@_on("mm")
def _mm(x: Any, y: Any) -> Any:
    return wrap(mf.matmul(*_all(x, y)))


@_on("bmm")
def _bmm(x: Any, y: Any) -> Any:
    return wrap(mf.matmul(*_all(x, y)))


@_on("mv")
def _mv(x: Any, y: Any) -> Any:
    a, b = _all(x, y)
    return wrap(mf.matmul(a, b.unsqueeze(-2)).squeeze(-2))


@_on("dot", "vdot")
def _dot(x: Any, y: Any) -> Any:
    a, b = _all(x, y)
    return wrap(mf.matmul(a.unsqueeze(0), b.unsqueeze(-2))[0, 0])


def _affine(product: Handler) -> Handler:
    def f(x: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        p, base = _all(product(a, b), x)
        return wrap(mf.add(_scaled(base, beta), _scaled(p, alpha)))

    return f


_on("addmm")(_affine(_mm))
_on("baddbmm")(_affine(_bmm))
_on("addmv")(_affine(_mv))
_on("addr")(_affine(lambda a, b: _mul(aten.unsqueeze(a, 1), b)))


# ------------------------------------------------------------------------------------------ what networks need
@_on("relu")
def _relu(x: MCTensor) -> Any:
    return wrap(torch.where(x._c[..., :1] <= 0, 0.0, x._c))


@_on("threshold_backward")
def _threshold_backward(g: Any, x: Any, threshold: Any) -> Any:
    a, c, t = _all(g, x, threshold)
    return wrap(torch.where(mf.le(c, t).unsqueeze(-1), 0.0, a))


def _sigmoid_of(c: Tensor) -> Tensor:
    # e^-|x| does not overflow, and its sum with 1 does not cancel
    e = mf.exp(-mf.abs(c))
    one = lift(1, c.shape[-1], c.dtype, c.device)
    return mf.div(torch.where(c[..., :1] < 0, e, one), mf.add(e, one))


@_on("sigmoid")
def _sigmoid(x: MCTensor) -> Any:
    return wrap(_sigmoid_of(x._c))


@_on("sigmoid_backward")
def _sigmoid_backward(g: Any, y: Any) -> Any:
    a, s = _all(g, y)
    return wrap(mf.mul(a, mf.mul(s, mf.sub(lift(1, s.shape[-1], s.dtype, s.device), s))))


@_on("tanh_backward")
def _tanh_backward(g: Any, y: Any) -> Any:
    a, t = _all(g, y)
    one = lift(1, t.shape[-1], t.dtype, t.device)
    return wrap(mf.mul(a, mf.mul(mf.sub(one, t), mf.add(one, t))))


def _softplus_of(c: Tensor) -> Tensor:
    return mf.add(mf.maximum(c, torch.zeros_like(c)), mf.log1p(mf.exp(-mf.abs(c))))


@_on("softplus")
def _softplus(x: MCTensor, beta: Any = 1, threshold: Any = 20) -> Any:
    b = lift(beta, *kind(x))
    return wrap(mf.div(_softplus_of(mf.mul(x._c, b)), b))


@_on("softplus_backward")
def _softplus_backward(g: Any, x: Any, beta: Any, threshold: Any) -> Any:
    a, c, b = _all(g, x, beta)
    return wrap(mf.mul(a, _sigmoid_of(mf.mul(c, b))))


@_on("log_sigmoid_forward")
def _log_sigmoid(x: MCTensor) -> Any:
    return wrap(-_softplus_of(-x._c)), x._c.new_empty(0)


@_on("log_sigmoid_backward")
def _log_sigmoid_backward(g: Any, x: Any, buffer: Any) -> Any:
    a, c = _all(g, x)
    return wrap(mf.mul(a, _sigmoid_of(-c)))


@_on("logaddexp")
def _logaddexp(x: Any, y: Any) -> Any:
    a, b = _all(x, y)
    top = mf.maximum(a, b)
    same = mf.eq(a, b).unsqueeze(-1)  # of infinities too
    gap = torch.where(same, 0.0, mf.sub(mf.minimum(a, b), top))
    return wrap(mf.add(top, mf.log1p(mf.exp(gap))))


def _from_top(c: Tensor) -> tuple[Tensor, Tensor]:
    """Entries less the largest, ``(..., k, N)``, and their exponentials' sum ``(..., 1, N)``."""
    at = _argmax(c)[..., None, None].expand(*c.shape[:-2], 1, c.shape[-1])
    low = mf.sub(c, c.gather(-2, at))
    return low, _total(mf.exp(low)).unsqueeze(-2)


def _softmax_by(f: Callable[[Tensor], Tensor]) -> Handler:
    def softmax(x: MCTensor, dim: int, half_to_float: bool = False) -> Any:
        return _along(f, x, dim) if x._c.dim() > 1 else _along(f, _unsqueeze(x, 0), 0)

    return softmax


def _log_softmax_of(c: Tensor) -> Tensor:
    low, total = _from_top(c)
    return mf.sub(low, mf.log(total))


def _softmax_of(c: Tensor) -> Tensor:
    low, total = _from_top(c)
    return mf.div(mf.exp(low), total)


_on("_log_softmax")(_softmax_by(_log_softmax_of))
_on("_softmax")(_softmax_by(_softmax_of))


@_on("_log_softmax_backward_data")
def _log_softmax_backward(g: Any, y: Any, dim: int, dtype: Any) -> Any:
    a, c = (wrap(v) for v in _all(g, y))
    return _sub(a, _mul(wrap(mf.exp(c._c)), _sum(a, [dim], True)))


@_on("_softmax_backward_data")
def _softmax_backward(g: Any, y: Any, dim: int, dtype: Any) -> Any:
    a, c = (wrap(v) for v in _all(g, y))
    p = _mul(a, c)
    return _sub(p, _mul(c, _sum(p, [dim], True)))


@_on("logsumexp")
def _logsumexp(x: MCTensor, dim: Any, keepdim: bool = False) -> Any:
    def f(c: Tensor) -> Tensor:
        top = c.gather(-2, _argmax(c)[..., None, None].expand(*c.shape[:-2], 1, c.shape[-1]))
        low = torch.where(c[..., :1].isinf() & (c == top), 0.0, mf.sub(c, top))
        return mf.add(top.squeeze(-2), mf.log(_total(mf.exp(low))))

    return _reduce(f, x, dim, keepdim)


@_on("mse_loss_backward")
def _mse_loss_backward(g: Any, x: Any, y: Any, reduction: int) -> Any:
    a, b, c = _all(g, x, y)
    d = mf.sub(b, c)
    slope = mf.mul(d * 2, a)
    return _div(wrap(slope), d.shape[:-1].numel()) if reduction == 1 else wrap(slope)
