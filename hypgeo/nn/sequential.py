"""Layers one after the other."""

from __future__ import annotations

import inspect
from typing import Any, cast

from torch import Tensor, nn

from hypgeo.manifolds import Manifold
from hypgeo.nn.hyperplanes import Hyperplanes
from hypgeo.nn.layer import FLAT, Layer, expect_points
from hypgeo.nn.maps import FromManifold

__all__ = ["Sequential"]


class Sequential(nn.Sequential):
    """Modules one after the other; what comes beside the points goes to those that take more than one argument.

    ``Sequential(HGCNConv(...), Activation(...), HGCNConv(...))(x, edge_index)``.  Where one layer ends on another
    manifold than the next one starts from, that is an error when the sequence is made.  Layers in a row that act at the
    origin (convolutions but for means, ``Linear`` of kind "mobius", activations, dropout, the ways in and out) hand on
    normal coordinates: quicker than points, and not bound by how far out a float can hold one.  A layer that has
    forward hooks, is compiled or has a forward of its own is called as it stands.
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__(*modules)
        last: Layer | None = None
        for module in self:
            start = getattr(module, "in_manifold", None)
            if last is not None and start is not None and not _same(start, last.manifold):
                raise ValueError(
                    f"Sequential: {type(last).__name__} ends on {last.manifold!r}, but {type(module).__name__} starts "
                    f"from {start!r}, another manifold; give it in_manifold, the first one's"
                )
            on_manifold = start is not None and not isinstance(module, FromManifold | Hyperplanes)
            last = cast(Layer, module) if on_manifold else None
            _takes_more(module)  # looked up here, where nothing is compiled

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        space: Manifold | None = None  # that of x, where x stands for its normal coordinates
        module: Any
        for module in self:
            company = (args, kwargs) if _takes_more(module) else ((), {})
            if _acts_at_origin(module, x, *company):
                if space is None:
                    expect_points(type(module).__name__, module.in_manifold, x)
                    x = module.in_manifold.normal_coordinates(x)
                x = module.at_origin(x, *company[0], **company[1])
                space = FLAT if isinstance(module, FromManifold) else module.manifold
                continue
            x = x if space is None else space.from_normal_coordinates(x)
            x, space = module(x, *company[0], **company[1]), None
        return x if space is None else space.from_normal_coordinates(x)


def _same(a: Manifold, b: Manifold) -> bool:
    return a is b or (a.flat and b.flat)


def _acts_at_origin(module: Any, x: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether at_origin stands for calling the module: not where that is hooked, compiled or somebody's own."""
    return (
        getattr(module, "acts_at_origin", False)
        and isinstance(x, Tensor)
        and len(args) < 3
        and kwargs.keys() <= {"edge_index", "edge_weight", "edge_attr"}
        and type(module).forward.__module__.startswith("hypgeo.")
        and not (module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)
    )


_KNOWN: dict[type, bool] = {}


def _takes_more(module: nn.Module) -> bool:
    """Whether a module takes edges or other company of the points by position."""
    kind: Any = type(getattr(module, "_orig_mod", module))  # what torch.compile has wrapped
    if kind not in _KNOWN:
        names = list(inspect.signature(kind.forward).parameters.values())
        _KNOWN[kind] = len(names) > 2 and names[2].default is inspect.Parameter.empty
    return _KNOWN[kind]
