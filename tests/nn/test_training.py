"""Nothing becomes nan or infinite in training, whatever the depth, the rate and the seed."""

import pytest
import torch
from layers import EDGES, MODELS, features
from torch.nn.functional import cross_entropy

from hypgeo.manifolds import Manifold
from hypgeo.nn import Activation, Hyperplanes, Sequential, ToManifold, parameter_groups
from hypgeo.nn.graph import HGCNConv


@pytest.mark.parametrize("rate", (1e-4, 1e-1))
@pytest.mark.parametrize("depth", (1, 8))
@pytest.mark.parametrize("kind", MODELS)
def test_training_in_single_precision_stays_finite(kind: type[Manifold], depth: int, rate: float) -> None:
    torch.manual_seed(depth)
    space = kind(learnable=True)
    layers = (m for _ in range(depth) for m in (HGCNConv(3, 3, space), Activation(space)))
    net = Sequential(ToManifold(space), *layers, Hyperplanes(3, 2, space))
    optimiser = torch.optim.Adam(parameter_groups(net), lr=rate)
    x, y = 5 * features(dtype=torch.float32), torch.arange(7) % 2
    for _ in range(10):
        optimiser.zero_grad()
        loss = cross_entropy(net(x, EDGES), y)
        loss.backward()
        assert loss.isfinite() and all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)
        optimiser.step()
    assert float(space.curvature) < 0
