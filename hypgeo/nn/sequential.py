"""Layers one after the other."""

from __future__ import annotations

import inspect
from typing import Any, cast

from torch import Tensor, nn

from hypgeo.manifolds import Manifold
from hypgeo.nn.hyperplanes import Hyperplanes
from hypgeo.nn.layer import Layer
from hypgeo.nn.maps import FromManifold

__all__ = ["Sequential"]


class Sequential(nn.Sequential):
    """Modules one after the other; what comes beside the points goes to those that take more than one argument.

    ``Sequential(HGCNConv(...), Activation(...), HGCNConv(...))(x, edge_index)``.  Where one layer ends on another
    manifold than the next one starts from, that is an error when the sequence is made.
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
        for module in self:
            x = module(x, *args, **kwargs) if _takes_more(module) else module(x)
        return x


def _same(a: Manifold, b: Manifold) -> bool:
    return a is b or (a.flat and b.flat)


_KNOWN: dict[type, bool] = {}


def _takes_more(module: nn.Module) -> bool:
    """Whether a module takes edges or other company of the points by position."""
    kind: Any = type(getattr(module, "_orig_mod", module))  # what torch.compile has wrapped
    if kind not in _KNOWN:
        names = list(inspect.signature(kind.forward).parameters.values())
        _KNOWN[kind] = len(names) > 2 and names[2].default is inspect.Parameter.empty
    return _KNOWN[kind]
