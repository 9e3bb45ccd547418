import pytest
import torch
from layers import MODELS, Euclidean, features

from hypgeo.manifolds import Manifold
from hypgeo.nn import FrechetMean


@pytest.mark.parametrize("kind", (*MODELS, Euclidean))
def test_pools_graphs_by_an_index(kind: type[Manifold]) -> None:
    space = kind()
    x, batch = space.from_normal_coordinates(features()), torch.tensor([0, 2, 0, 2, 2, 0, 0])
    w = torch.rand(7, dtype=torch.float64)
    out = FrechetMean(space)(x, w, index=batch, dim_size=4)
    for k in (0, 2):
        torch.testing.assert_close(out[k], space.frechet_mean(x[batch == k], w[batch == k]), rtol=1e-12, atol=1e-12)
    assert torch.equal(out[[1, 3]], space.origin(2, x.shape[1], dtype=torch.float64))


def test_along_an_axis() -> None:
    space = Euclidean()
    x = features(12).reshape(4, 3, 3)
    torch.testing.assert_close(FrechetMean(space, dim=0)(x), x.mean(0))
    torch.testing.assert_close(FrechetMean(space)(x), x.mean(1))
