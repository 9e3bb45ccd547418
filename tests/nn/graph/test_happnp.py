"""Personalised propagation: PyG's own in flat space, the same in every model, and its two ends."""

import pytest
import torch
from torch_geometric.nn import APPNP

from hypgeo import Euclidean, HalfSpace, Lorentz, PoincareBall
from hypgeo.nn.graph import HAPPNP

EDGES = torch.tensor([[0, 1, 2, 3, 4, 0, 5, 2], [1, 2, 3, 4, 0, 3, 1, 5]])


def features() -> torch.Tensor:
    return torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("cached", [False, True])
def test_in_flat_space_it_is_appnp(cached: bool) -> None:
    x = features()
    net = HAPPNP(4, 0.2, Euclidean(), cached=cached)
    for _ in range(2):
        torch.testing.assert_close(net(x, EDGES), APPNP(4, 0.2)(x, EDGES))


@pytest.mark.parametrize("aggr", ["tangent", "local", "midpoint", "frechet"])
def test_it_is_the_same_in_every_model(aggr: str) -> None:
    found = []
    for cls in (PoincareBall, Lorentz, HalfSpace):
        space = cls(curvature=-0.6)
        x = space.from_normal_coordinates(features()).requires_grad_()
        out = space.normal_coordinates(HAPPNP(3, 0.3, space, aggr=aggr, normalize="row")(x, EDGES))
        out.sum().backward()
        assert x.grad is not None and bool(x.grad.isfinite().all())
        found.append(out.detach())
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


@pytest.mark.parametrize("aggr", ["tangent", "frechet"])
def test_alpha_one_stays_and_alpha_zero_goes(aggr: str) -> None:
    space = PoincareBall()
    x = space.from_normal_coordinates(features())
    torch.testing.assert_close(HAPPNP(3, 1.0, space, aggr=aggr)(x, EDGES), x)
    gone = HAPPNP(200, 0.0, space, aggr=aggr, normalize="row")(x[:6], EDGES)
    torch.testing.assert_close(gone, gone[:1].expand_as(gone), rtol=1e-4, atol=1e-6)  # every node reaches every other


def test_steps_and_fraction_are_checked() -> None:
    for K, alpha in ((0, 0.1), (2, 1.5)):
        with pytest.raises(ValueError, match=r"HAPPNP takes K >= 1 steps and a fraction alpha in 0 \.\.\. 1"):
            HAPPNP(K, alpha, PoincareBall())
