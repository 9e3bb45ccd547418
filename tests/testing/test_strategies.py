"""What the strategies draw is valid, and reaches where it should."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hypgeo.manifolds import HalfSpace, Lorentz, PoincareBall
from hypgeo.testing.reference import Reference
from hypgeo.testing.strategies import bit_points, neighbours

manifolds = st.sampled_from((PoincareBall(), Lorentz(curvature=-0.3), HalfSpace(curvature=-4.0)))
dtypes = st.sampled_from((torch.float32, torch.float64))


@given(manifolds, dtypes, st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_neighbours_are_two_points(manifold, dtype, data) -> None:
    x, y = data.draw(neighbours(manifold, 3, dtype))
    assert x.dtype is dtype and not torch.equal(x, y)
    assert manifold.check_point_on_manifold(torch.stack((x, y)))
    assert float(Reference(manifold).dist(x, y)) * math.sqrt(float(manifold.c)) < 4


def test_bits_are_points_of_every_size() -> None:
    sizes: list[float] = []

    @given(manifolds, dtypes, st.data())
    @settings(max_examples=150, deadline=None, derandomize=True)
    def draw(manifold, dtype, data) -> None:
        x = data.draw(bit_points(manifold, 3, dtype))
        skip = int(isinstance(manifold, Lorentz))
        assert x.dtype is dtype and bool(x.isfinite().all())
        assert Reference(manifold).valid(x)
        sizes.append(float(x[skip:].abs().max()))

    draw()
    assert min(sizes) < 1e-37 and max(sizes) > 1e37 and sum(0.1 < s < 10 for s in sizes) > 10
