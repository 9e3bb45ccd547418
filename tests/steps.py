"""Optimisers at work on points of tilings."""

from typing import Any

import geoopt
import torch
from torch import Tensor

from hypgeo.manifolds.tiling import Tiling
from hypgeo.optim import RiemannianAdam, RiemannianSGD

RECIPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd": (RiemannianSGD, {"lr": 0.05}),
    "momentum": (RiemannianSGD, {"lr": 0.02, "momentum": 0.5}),
    "nesterov": (RiemannianSGD, {"lr": 0.02, "momentum": 0.5, "nesterov": True}),
    "adam": (RiemannianAdam, {"lr": 2.0, "betas": (0.8, 0.9)}),
    "amsgrad": (RiemannianAdam, {"lr": 2.0, "betas": (0.8, 0.9), "amsgrad": True, "stabilize": 7}),
}


def approach(m: Tiling, x: Tensor, target: Tensor, recipe: str) -> Tensor:
    """Where 250 steps from x lead that lessen the distance to the target; rows grow wider, their state with them."""
    p = geoopt.ManifoldParameter(x.clone(), manifold=m)
    make, options = RECIPES[recipe]
    opt = make([p], **options)
    slower = torch.optim.lr_scheduler.ExponentialLR(opt, 0.98 if make is RiemannianAdam else 1.0)
    for _ in range(250):
        opt.zero_grad()
        d = m.dist(p, target)  # alive while the point grows wider, as losses are
        (d if make is RiemannianAdam else d.square() / (1 + d.detach() / 4)).sum().backward()
        opt.step()
        slower.step()
    assert m.check_point_on_manifold(p.data)
    assert p.shape[1] > x.shape[1] and isinstance(p, geoopt.ManifoldParameter)
    assert all(t.shape == p.shape for t in opt.state[p].values() if isinstance(t, Tensor) and t.dim())
    return p.detach()


def approach_in_rows(m: Tiling, x: Tensor, target: Tensor, rows: Tensor, make: Any) -> Tensor:
    """The same by 150 steps with sparse gradients, of some rows of a table; the others stay."""
    table = torch.nn.Embedding(*x.shape, sparse=True, dtype=x.dtype)
    table.weight = geoopt.ManifoldParameter(x.clone(), manifold=m)
    opt = make(table.parameters(), lr=0.2)
    for _ in range(150):
        opt.zero_grad()
        m.dist(table(rows), target[rows]).sum().backward()
        opt.step()
    w = table.weight.data
    others = [i for i in range(len(x)) if i not in rows.tolist()]
    assert torch.equal(w[others, : x.shape[1]], x[others]) and not w[others, x.shape[1] :].any()
    assert m.check_point_on_manifold(w)
    return w


def flee(m: Tiling, x: Tensor, lr: float, every: int) -> Tensor:
    """Where 10,000 steps away from each other lead; what must hold is looked at again and again."""
    p = geoopt.ManifoldParameter(x, manifold=m)
    opt = RiemannianSGD([p], lr=lr)
    for i in range(10_000):
        opt.zero_grad()
        (-m.dist(p, p.detach().roll(1, 0))).sum().backward()
        opt.step()
        if i % every == 0:
            assert m.check_point_on_manifold(p.data)
    assert m.check_point_on_manifold(p.data)
    return p.detach()
