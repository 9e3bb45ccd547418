"""MCTensors and mpmath numbers, one into the other without an error, and how far apart they are."""

import random
from typing import Any

import mpmath
import torch
from torch import Tensor

from hypgeo import MCTensor

BITS = {torch.float16: 11, torch.float32: 24, torch.float64: 53}
TINY = {torch.float16: 2.0**-24, torch.float32: 2.0**-147, torch.float64: 2.0**-1071}


def mp(x: Tensor) -> list[Any]:
    """The exact numbers, in order."""
    rows = (x.detach().components if isinstance(x, MCTensor) else x.detach().unsqueeze(-1)).double()
    return [mpmath.fsum(map(mpmath.mpf, row)) for row in rows.reshape(-1, rows.shape[-1]).tolist()]


def numbers(count: int, n: int, dtype: torch.dtype, low: float, high: float, seed: int = 0) -> MCTensor:
    """Random numbers with all their components in use."""
    draw = random.Random(seed)
    wide = [mpmath.mpf(low) + (mpmath.mpf(high) - low) * draw.getrandbits(600) / 2**600 for _ in range(count)]
    return MCTensor(wide, n, dtype)


def off(got: Tensor, want: list[Any], scale: list[Any] | None = None) -> float:
    """The worst error in units of 2^(-N p) |want| (or of the scale), less some of the dtype's last bits."""
    n = got.n_components if isinstance(got, MCTensor) else 1
    unit = mpmath.mpf(2) ** (-n * BITS[got.dtype])
    worst = 0.0
    given = mp(got)
    assert len(given) == len(want)
    for a, b, s in zip(given, want, scale or want, strict=True):
        error = max(abs(a - b) - TINY[got.dtype], 0)
        if error:
            worst = max(worst, float(error / (unit * abs(s))) if s else float("inf"))
    return worst
