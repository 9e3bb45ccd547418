"""Every op on floats with random bits inside the domain: subnormal, tiny, at the rim, huge; unrelated, near, opposite.

``python benchmarks/accuracy.py --patterns 1000000`` asks for the million.
"""

import pytest
import torch

import hypgeo
from hypgeo.testing.measure import verb
from hypgeo.testing.patterns import look
from hypgeo.testing.reference import OPS

MODELS = ("PoincareBall", "Lorentz", "HalfSpace")
JOBS = [
    (model, op)
    for model in MODELS
    for op in OPS
    if op != f"to_{model}" and verb(getattr(hypgeo, model)(), op) is not None and op != "frechet_mean"
]


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("model, op", JOBS)
def test_random_bits(model: str, op: str, dtype: torch.dtype) -> None:
    """No NaN, no infinity but where the result overflows, points inside, exact symmetries kept, a few rows exactly."""
    c, dim = ((1.0, 3), (0.3, 2))[(len(op) + (dtype is torch.float32)) % 2]
    manifold = getattr(hypgeo, model)(curvature=-float(torch.tensor(c, dtype=dtype)))
    bad = look(manifold, op, 2000, dim, dtype, seed=dim, exactly=8)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("model", MODELS)
def test_means_of_random_bits(model: str) -> None:
    """The sets that a mean takes lie within reach of each other; their bits are random below that."""
    manifold = getattr(hypgeo, model)()
    g = torch.Generator().manual_seed(0)
    for spread in (1e-300, 1e-20, 1e-3, 1.0, 5.0):
        v = spread * torch.randn(50, 6, 3, dtype=torch.float64, generator=g)
        v = torch.cat((torch.zeros(50, 6, 1, dtype=torch.float64), v), -1) if model == "Lorentz" else v
        x = manifold.expmap0(v)
        mean = manifold.frechet_mean(x)
        assert bool(mean.isfinite().all()) and manifold.check_point_on_manifold(mean)
