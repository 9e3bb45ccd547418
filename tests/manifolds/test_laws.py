"""Every registered manifold obeys every law, in both dtypes; and a wrong manifold does not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from registry import MANIFOLDS

from hypgeo.manifolds import HalfSpace, Lorentz, PoincareBall
from hypgeo.testing import LAWS, Sample, check_laws
from hypgeo.testing.strategies import curvatures, points, tangents


@pytest.mark.parametrize("name", MANIFOLDS)
@pytest.mark.parametrize("law", LAWS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
def test_law(name, law, dtype):
    make, coordinates = MANIFOLDS[name]
    spread = 0.5 if dtype == torch.float32 else 1.0
    check_laws(make(), coordinates, dtype=dtype, spread=spread, laws=[law])


class Crooked(PoincareBall):
    """A ball with the metric of another curvature in its distance, and a transport that does nothing."""

    def dist(self, x, y, *, keepdim=False):
        return 1.001 * super().dist(x, y, keepdim=keepdim)

    def transp(self, x, y, v):
        return v


@pytest.mark.parametrize(
    "law", ("exp_inverts_log", "dist_is_a_metric", "transport_is_isometric", "isometries_keep_dist")
)
def test_laws_refuse_a_crooked_manifold(law):
    with pytest.raises(AssertionError, match=r"off by|violated"):
        check_laws(Crooked(), 3, laws=[f for f in LAWS if f.__name__ == law])


@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace))
def test_override_agrees_with_derivation(cls):
    """A closed form that replaces a derived verb of the base class gives the same numbers."""
    from hypgeo.manifolds import Manifold

    m = cls(curvature=-0.7)
    s = Sample.draw(m, 5, seed=3)
    c = m.c
    for verb in ("_dist", "_dist2", "_logmap"):
        derived = getattr(Manifold, verb)(m, s.x, s.y, c)
        torch.testing.assert_close(getattr(m, verb)(s.x, s.y, c), derived, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(m.dist(s.x, s.y), Manifold._dist(m, s.x, s.y, c).squeeze(-1), rtol=1e-12, atol=1e-12)
    t = torch.tensor(0.3, dtype=torch.float64)
    torch.testing.assert_close(
        m._geodesic(t, s.x, s.y, c), Manifold._geodesic(m, t, s.x, s.y, c), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace))
@given(data=st.data(), k=curvatures())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_nothing_is_nan_and_errors_are_small(cls, data, k):
    """Wherever hypothesis looks: finite, on the manifold, dist = |log|, and exp undoes log in the metric."""
    m = cls(curvature=k)
    x, y = data.draw(points(m, 3)), data.draw(points(m, 3))
    v = data.draw(tangents(m, x, longest=5.0))
    unit = float(m.c.sqrt())
    d = m.dist(x, y)
    assert d >= 0 and torch.isfinite(d)
    torch.testing.assert_close(m.norm(x, m.logmap(x, y)), d, rtol=1e-12, atol=0)
    far = m.expmap(x, v)
    assert m.check_point_on_manifold(far)
    # a float64 point at normalised radius 15 is known to e^15 2^-53 of the metric
    assert float(m.dist(m.expmap(x, m.logmap(x, y)), y)) * unit < 1e-7
    assert abs(float(m.dist(x, far) - m.norm(x, v))) * unit < 1e-7
    for w in (m.logmap(x, y), m.transp(x, y, v), m.egrad2rgrad(x, v), m.geodesic(0.4, x, y)):
        assert torch.isfinite(w).all()
