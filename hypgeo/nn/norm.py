"""Riemannian batch normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn

from hypgeo.manifolds import Manifold
from hypgeo.nn.layer import Layer

__all__ = ["BatchNorm"]


class BatchNorm(Layer):
    """Batch normalisation: moves the Fréchet mean of a batch to a learnt point and scales its spread to a learnt one.

    ``exp_β(s/√(v + eps) PT_{m→β} log_m x)`` with the batch's Fréchet mean m and variance v, the mean squared distance
    from m (Lou et al., "Differentiating through the Fréchet Mean", 2020, algorithm 2).  Axes before the last are one
    batch.  In evaluation the running mean and variance stand for those of the batch.

    Parameters
    ----------
    num_features : int
        Dimension of the points.
    momentum : float
        How far the running mean goes along the geodesic to a batch's mean, and the running variance to its variance.
    affine : bool
        Whether β (``bias``, its normal coordinates at the origin) and s (``weight``, one number) are learnt.
    sync : bool
        Whether a batch is that of all processes of ``torch.distributed`` together, gradients included.
    """

    verbs = ("frechet_mean", "dist2", "expmap", "logmap", "transp", *Layer.verbs)
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        num_features: int,
        manifold: Manifold,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        sync: bool = False,
    ) -> None:
        super().__init__(manifold)
        self.num_features, self.eps, self.momentum, self.sync = num_features, eps, momentum, sync
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        self.weight = nn.Parameter(torch.ones(())) if affine else None
        # as normal coordinates, which stay valid when the curvature moves
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(()))

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Normalise points ``(..., width)``; ``weights (...)`` count in the mean and the variance of the batch."""
        self.expect_points(x, self.num_features)
        if weights is not None and weights.shape != x.shape[:-1]:
            raise ValueError(f"BatchNorm takes one weight a point, {tuple(x.shape[:-1])}, got {tuple(weights.shape)}")
        space = self.manifold
        if self.training:
            m, v = self._statistics(x.reshape(-1, x.shape[-1]), None if weights is None else weights.reshape(-1))
            with torch.no_grad():
                old = space.from_normal_coordinates(self.running_mean)
                new = space.geodesic(self.momentum, old, m.to(old.dtype))
                self.running_mean.copy_(space.normal_coordinates(new))
                self.running_var.lerp_(v.to(self.running_var.dtype), self.momentum)
        else:
            m, v = space.from_normal_coordinates(self.running_mean.to(x.dtype)), self.running_var.to(x.dtype)
        bias = self.running_mean.new_zeros(self.num_features) if self.bias is None else self.bias
        target = space.from_normal_coordinates(bias.to(x.dtype))
        scale = (v + self.eps).rsqrt()
        scale = scale if self.weight is None else scale * self.weight.to(x.dtype)
        return space.expmap(target, scale * space.transp(m, target, space.logmap(m, x)))

    def _statistics(self, x: Tensor, w: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and variance of a batch (N, width), of all processes' batches where they are in step."""
        if self.sync and distributed.is_available() and distributed.is_initialized():
            x, w = _gather(x), None if w is None else _gather(w)
        if len(x) < 2 and not torch.compiler.is_compiling():
            raise ValueError(
                f"BatchNorm needs at least two points to train on, got {len(x)}; call .eval() to use the running "
                "statistics, or drop_last=True in the loader"
            )
        m = self.manifold.frechet_mean(x, w)
        d = self.manifold.dist2(m, x)
        return m, d.mean() if w is None else (w * d).sum() / w.sum()

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.bias is not None}" + (
            ", sync=True" if self.sync else ""
        )


def _gather(x: Tensor) -> Tensor:
    """The rows of all processes, one process after the other, differentiable; their numbers may differ."""
    from torch.distributed.nn.functional import all_gather

    sizes = [torch.zeros((), dtype=torch.int64, device=x.device) for _ in range(distributed.get_world_size())]
    distributed.all_gather(sizes, torch.tensor(len(x), device=x.device))
    most = int(torch.stack(sizes).max())
    padded = torch.cat((x, x.new_zeros(most - len(x), *x.shape[1:])))
    return torch.cat([part[: int(n)] for part, n in zip(all_gather(padded), sizes, strict=True)])
