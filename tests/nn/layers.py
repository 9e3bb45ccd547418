"""The layers under the common tests: a new one adds its line."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, Manifold, PoincareBall
from hypgeo.nn import (
    Activation,
    BatchNorm,
    DistanceDecoder,
    Dropout,
    FermiDiracDecoder,
    FrechetMean,
    FromManifold,
    Hyperplanes,
    Linear,
    Sequential,
    ToManifold,
)
from hypgeo.nn.graph import HAPPNP, HGATConv, HGCNConv

MODELS = (PoincareBall, Lorentz, HalfSpace)
EDGES = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 0, 2, 5], [1, 2, 3, 4, 5, 6, 0, 3, 0, 1]])


class Case(NamedTuple):
    make: Callable[[Manifold], nn.Module]
    takes: str = "points"  # or "features"
    gives: str = "points"  # or "numbers"
    company: tuple[Tensor, ...] = ()


LAYERS: dict[str, Case] = {
    "ToManifold": Case(ToManifold, takes="features"),
    "FromManifold": Case(FromManifold, gives="numbers"),
    **{f"Linear {k}": Case(lambda m, k=k: Linear(3, 3, m, kind=k)) for k in ("mobius", "poincare", "lorentz")},
    "Linear without bias": Case(lambda m: Linear(3, 3, m, bias=False)),
    "Activation": Case(lambda m: Activation(m, torch.tanh)),
    "Dropout": Case(Dropout),
    "Hyperplanes": Case(lambda m: Hyperplanes(3, 4, m), gives="numbers"),
    "FrechetMean": Case(FrechetMean),
    "BatchNorm": Case(lambda m: BatchNorm(3, m)),
    "FermiDiracDecoder": Case(
        lambda m: FermiDiracDecoder(m, learnable=True),
        gives="numbers",
        company=(EDGES,),
    ),
    "DistanceDecoder": Case(DistanceDecoder, gives="numbers", company=(EDGES,)),
    "Sequential": Case(lambda m: Sequential(Linear(3, 5, m), Activation(m), BatchNorm(5, m), Linear(5, 3, m))),
    **{
        f"{conv.__name__} {aggr}": Case(lambda m, conv=conv, aggr=aggr: conv(3, 3, m, aggr=aggr), company=(EDGES,))
        for conv in (HGCNConv, HGATConv)
        for aggr in ("tangent", "local", "midpoint", "frechet", "max")
    },
    **{f"HAPPNP {a}": Case(lambda m, a=a: HAPPNP(2, 0.3, m, aggr=a), company=(EDGES,)) for a in ("tangent", "frechet")},
    "HGCNConv sym": Case(lambda m: HGCNConv(3, 3, m, normalize="sym"), company=(EDGES,)),
    "HGATConv heads": Case(lambda m: HGATConv(3, 2, m, heads=3, aggr="frechet"), company=(EDGES,)),
    "HGATConv averaged": Case(lambda m: HGATConv(3, 2, m, heads=3, concat=False), company=(EDGES,)),
}


def features(n: int = 7, d: int = 3, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return 0.7 * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def stirred(module: nn.Module, seed: int = 1) -> nn.Module:
    """The module with all its weights drawn anew, also those that start at zero; curvatures stay."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if not name.endswith("log_scale"):
                p.copy_(0.5 * torch.randn(p.shape, generator=g, dtype=torch.float64))
    return module


def built(case: Case, space: Manifold, dtype: torch.dtype = torch.float64) -> nn.Module:
    """In the dtype, but for the curvature, which a cast would round."""
    module = stirred(case.make(space))
    for child in module.modules():
        if not isinstance(child, Manifold):
            for p in (*child.parameters(recurse=False), *child.buffers(recurse=False)):
                p.data = p.data.to(dtype)
    return module


def given(case: Case, space: Manifold, a: Tensor) -> Tensor:
    """What a case takes: features, or the points with these normal coordinates."""
    return a if case.takes == "features" else space.from_normal_coordinates(a)


def seen(case: Case, space: Manifold, out: Tensor) -> Tensor:
    """What a case gives, alike in every model."""
    return out if case.gives == "numbers" else space.normal_coordinates(out)


def applied(case: Case, space: Manifold, module: nn.Module, a: Tensor) -> Tensor:
    torch.manual_seed(0)
    return seen(case, space, module(given(case, space, a), *case.company))


__all__ = ["EDGES", "LAYERS", "MODELS", "Case", "Euclidean", "applied", "built", "features", "given", "seen", "stirred"]
