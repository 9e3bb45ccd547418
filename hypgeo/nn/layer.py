"""What every layer on a manifold shares: the manifolds it goes from and to, and one clear word on input it cannot take.

A layer speaks a manifold's public verbs only, so that ball, hyperboloid, half-space and flat space serve alike; weights
act on normal or spatial coordinates, which isometries between the models keep, so that one set of weights gives the
same network in each of them.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from hypgeo.manifolds import Euclidean, Manifold

__all__ = ["Layer"]

FLAT = Euclidean()  # where normal coordinates lie


class Layer(nn.Module):
    """A module from points of ``in_manifold`` to points of ``manifold`` (the same one when left out).

    The two may differ in curvature, and ``in_manifold=Euclidean()`` takes features as they are.
    """

    verbs: ClassVar[tuple[str, ...]] = ("normal_coordinates", "from_normal_coordinates")

    def __init__(self, manifold: Manifold, in_manifold: Manifold | None = None) -> None:
        super().__init__()
        self.require(manifold, in_manifold, self.verbs)
        self.manifold = manifold
        self.in_manifold = manifold if in_manifold is None else in_manifold

    def require(self: nn.Module, manifold: Manifold, in_manifold: Manifold | None, verbs: tuple[str, ...]) -> None:
        """Refuse manifolds that lack a verb."""
        for m in (manifold, manifold if in_manifold is None else in_manifold):
            lacking = [verb for verb in verbs if not callable(getattr(m, verb, None))]
            if lacking or not isinstance(m, nn.Module):
                raise TypeError(
                    f"{type(self).__name__} needs a manifold with the verbs {', '.join(verbs)}, and {m!r} lacks "
                    f"{', '.join(lacking) or 'parameters'}; use PoincareBall, Lorentz, HalfSpace or Euclidean"
                )

    def at_origin(self, h: Tensor) -> Tensor:
        """What the layer does between log_0 and exp_0, where it does all there: normal coordinates to the same.

        :class:`hypgeo.nn.Sequential` calls it between such layers, so that exp_0 and log_0 that meet are left out.
        """
        raise NotImplementedError(f"{type(self).__name__} does not act at the origin")

    @property
    def acts_at_origin(self) -> bool:
        return type(self).at_origin is not Layer.at_origin

    def expect_points(self, x: Tensor, channels: int | None = None) -> None:
        """Refuse what are no points of ``in_manifold`` with ``channels`` dimensions.

        Values are looked at in plain runs only: not under ``torch.compile`` or ``torch.func``, nor with ``python -O``.
        """
        expect_points(type(self).__name__, self.in_manifold, x, channels)


def shifted(manifold: Manifold, h: Tensor, by: Tensor | None) -> Tensor:
    """``log_0(exp_0(h) ⊕ exp_0(by))``, the bias of a layer in normal coordinates."""
    return h if by is None else manifold.normal_translate(h, by.to(h.dtype))


def expect_points(name: str, manifold: Manifold, x: Tensor, channels: int | None = None) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.dim() == 0:
        given = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name} takes points as a floating-point tensor (..., channels), got {given}")
    if channels is not None and x.shape[-1] != manifold.ambient_dim(channels):
        time = " (time first)" if manifold.ambient_dim(0) else ""
        raise ValueError(
            f"{name} was made for {channels} channels, points with a last axis of {manifold.ambient_dim(channels)}"
            f"{time} on {manifold!r}; got shape {tuple(x.shape)}"
        )
    if not __debug__ or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return
    values = x.detach()
    if values.layout is not torch.strided:
        values = values.values() if values.layout is torch.sparse_csr else values.coalesce().values()
    if not bool(values.sum().isfinite()) and not bool(values.isfinite().all()):  # the sum alone is one quick pass
        if values.dim() == x.dim():
            at = (~values.isfinite()).nonzero()[0].tolist()
            where = f"x[{', '.join(map(str, at))}] is {values[tuple(at)].item()}"
        else:
            where = f"it has {int((~values.isfinite()).sum())} values that are nan or infinite"
        raise ValueError(f"{name} takes finite points, but {where}; mend the input (torch.nan_to_num, or drop the row)")
    if manifold.certainly_holds(values):
        return
    rough = max(1e-5, 4 * torch.finfo(x.dtype).eps)  # the hyperboloid's time is a rounded number, too
    _, reason = manifold.check_point_on_manifold(x.detach(), explain=True, atol=rough, rtol=rough)
    if reason:
        raise ValueError(
            f"{name} takes points on {manifold!r}, but {reason}; features become points by hypgeo.nn.ToManifold, "
            "or give the layer in_manifold=Euclidean()"
        )


def expect_edges(name: str, edge_index: Tensor, size: tuple[int, int]) -> None:
    """Refuse what are no edges from ``size[0]`` sources to ``size[1]`` targets."""
    if edge_index.dim() != 2 or edge_index.shape[0] != 2 or edge_index.dtype not in (torch.int64, torch.int32):
        given = f"{edge_index.dtype} of shape {tuple(edge_index.shape)}"
        raise ValueError(f"{name} takes edge_index (2, edges) of integers, got {given}; call .long()")
    if not __debug__ or torch.compiler.is_compiling() or edge_index.numel() == 0:
        return
    for row, (what, n) in enumerate(zip(("sources", "targets"), size, strict=True)):
        low, high = (int(t) for t in edge_index[row].aminmax())
        if low < 0 or high >= n:
            raise ValueError(
                f"{name} got {n} {what}, nodes 0 to {n - 1}, but edge_index[{row}] holds {low if low < 0 else high}; "
                "drop that edge or give the missing nodes"
            )
