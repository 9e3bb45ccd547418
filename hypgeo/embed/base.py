"""What embedders share: scikit-learn's conventions, and what goes into a provenance."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self


class Embedder:
    """The constructor keeps its arguments under their names; `fit` does everything else."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as scikit-learn's `clone` and searches want them."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change some of the constructor's arguments."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        default = inspect.signature(type(self)).parameters
        told = (f"{k}={v!r}" for k, v in self.get_params().items() if v != default[k].default)
        return f"{type(self).__name__}({', '.join(told)})"


def plain(label: Hashable) -> str | int:
    """A label as JSON holds it."""
    return label if isinstance(label, str | int) else str(label)


def hypgeo_version() -> str:
    """The installed version, or "source" in a checkout that is not installed."""
    try:
        return version("hypgeo-torch")
    except PackageNotFoundError:
        return "source"
