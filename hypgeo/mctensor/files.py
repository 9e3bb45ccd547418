"""MCTensors in safetensors files: components, with N in the header, so that any reader has the floats."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hypgeo.mctensor.tensor import MCTensor

__all__ = ["load", "save"]

FORMAT = "hypgeo-multifloat"


def save(path: str | os.PathLike[str], tensors: Mapping[str, Tensor] | Tensor) -> None:
    """Writes MCTensors, and plain tensors beside them, by name; a ``state_dict()`` for instance, or one tensor."""
    named = {"": tensors} if isinstance(tensors, Tensor) else dict(tensors)
    plain = {k: (v.components.detach() if isinstance(v, MCTensor) else v.detach()) for k, v in named.items()}
    count = {k: v.n_components for k, v in named.items() if isinstance(v, MCTensor)}
    save_file(
        {k: v.contiguous() for k, v in plain.items()},
        os.fspath(path),
        metadata={"format": FORMAT, "version": "1", "components": json.dumps(count)},
    )


def load(path: str | os.PathLike[str], device: str = "cpu") -> Any:
    """What :func:`save` wrote: a dict of tensors by name, or the one tensor that was given."""
    path = os.fspath(path)
    try:
        with safe_open(path, "pt", device) as f:
            header = f.metadata() or {}
            tensors = {k: f.get_tensor(k) for k in f.keys()}
    except (SafetensorError, OSError) as e:
        if isinstance(e, FileNotFoundError):
            raise
        raise ValueError(f"{path} is damaged or no safetensors file ({e}); restore it from a copy") from e
    try:
        count = json.loads(header["components"]) if header.get("format") == FORMAT else None
    except (KeyError, ValueError):
        count = None
    if not isinstance(count, dict) or not all(isinstance(n, int) for n in count.values()):
        raise ValueError(f"{path} does not say how many components its tensors have; write it by hypgeo.mctensor.save")
    for name, n in count.items():
        c = tensors.get(name)
        if c is None or c.dim() == 0 or c.shape[-1] != n:
            raise ValueError(f"{path} is damaged: tensor {name!r} should have {n} components; restore it from a copy")
        try:
            with torch.no_grad():
                tensors[name] = MCTensor.from_components(c)
        except (TypeError, ValueError) as e:
            raise ValueError(f"{path} is damaged: tensor {name!r}: {e}") from e
    return tensors[""] if list(tensors) == [""] else tensors
