"""Layers one after the other."""

from __future__ import annotations

import inspect
from typing import Any, cast

from torch import Tensor, nn

from hypgeo.nn.hyperplanes import Hyperplanes
from hypgeo.nn.layer import Layer
from hypgeo.nn.maps import FromManifold

__all__ = ["Sequential"]


class Sequential(nn.Sequential):
    """Modules one after the other; what comes beside the points goes to those that take more than one argument.

    ``Sequential(HGCNConv(...), Activation(...), HGCNConv(...))(x, edge_index)``.  Where one layer ends on another
    manifold than the next one starts from, that is an error when the sequence is made.
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        last: Layer | None = None
        for module in modules:
            start = getattr(module, "in_manifold", None)
            if last is not None and start is not None and start is not last.manifold:
                raise ValueError(
                    f"Sequential: {type(last).__name__} ends on {last.manifold!r}, but {type(module).__name__} starts "
                    f"from {start!r}, another manifold; give it in_manifold, the first one's"
                )
            on_manifold = start is not None and not isinstance(module, FromManifold | Hyperplanes)
            last = cast(Layer, module) if on_manifold else None
        self._takes_more = [_takes_more(module) for module in modules]

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        for module, more in zip(self, self._takes_more, strict=True):
            x = module(x, *args, **kwargs) if more else module(x)
        return x


def _takes_more(module: nn.Module) -> bool:
    """Whether the module takes edges or other company of the points by position."""
    names = list(inspect.signature(module.forward).parameters.values())
    return len(names) > 1 and names[1].default is inspect.Parameter.empty
