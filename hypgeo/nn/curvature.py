"""Curvatures of a model: for the optimiser, and for the log."""

from __future__ import annotations

from typing import Any

from torch import nn

from hypgeo.manifolds import Manifold

__all__ = ["curvatures", "parameter_groups"]


def curvatures(module: nn.Module) -> dict[str, float | list[float]]:
    """The curvature of every manifold in a module by its name, each manifold once: what to log."""
    return {name: m.curvature.tolist() for name, m in module.named_modules() if isinstance(m, Manifold) and not m.flat}


def parameter_groups(module: nn.Module, *, curvature_lr: float | None = None, **rest: Any) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: curvatures apart, never decayed, at their own rate.

    ``Adam(parameter_groups(model, curvature_lr=1e-3, weight_decay=5e-4), lr=0.01)``; ``rest`` holds for the others.
    Weight decay would draw log_scale to 0, and so every curvature back to where it began.
    """
    scales = {
        id(m.log_scale): m.log_scale for m in module.modules() if isinstance(m, Manifold) and m.log_scale is not None
    }
    groups: list[dict[str, Any]] = [{"params": [p for p in module.parameters() if id(p) not in scales], **rest}]
    if scales:
        own = {} if curvature_lr is None else {"lr": curvature_lr}
        groups.append({"params": list(scales.values()), **rest, "weight_decay": 0.0, **own})
    return groups
