"""The instruments see what they are for: each kind of failure planted in a manifold that is otherwise ours."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hypgeo.manifolds import HalfSpace, Lorentz, PoincareBall
from hypgeo.testing.measure import Exact, measure, worst
from hypgeo.testing.patterns import look
from hypgeo.testing.samples import Draw


def bent(cls: type, op: str, wrong: Callable[..., Tensor]) -> Any:
    """The manifold with one verb replaced by ``wrong(right result, *arguments)``."""

    def call(self: Any, *args: Any) -> Tensor:
        return wrong(getattr(cls, op)(self, *args), *args)

    return type(cls.__name__, (cls,), {op: call})()


def found(manifold: Any, op: str, what: str = "value", radius: float = 1.0) -> Any:
    draw = Draw(manifold, 3, torch.float64, 5)
    x, y = draw.point(radius), draw.point(radius)
    assert x and y
    kinds, sample = {"expmap": ("pv", (x, draw.vector(x, 2.0)))}.get(op, ("pp", (x, y)))
    truth = Exact(draw.reference, op, draw.tensors(kinds, [sample, sample]))
    return worst(measure(manifold, truth, (what,), type(manifold))[what])


@pytest.mark.parametrize("cls", (PoincareBall, Lorentz, HalfSpace))
def test_a_right_manifold_has_no_flags_and_small_errors(cls: type) -> None:
    for op, what in (("dist", "value"), ("dist", "grad"), ("expmap", "value"), ("logmap", "grad"), ("dist", "c")):
        f = found(cls(), op, what)
        assert not f.flag and f.ulp <= 16, (op, what, f)


@pytest.mark.parametrize(
    "wrong, flag",
    [
        (lambda d, x, y: d * torch.nan, "nan"),
        (lambda d, x, y: d + torch.inf, "inf"),
        (lambda d, x, y: 0 * d, "zero"),
        (lambda d, x, y: -d, "sign"),
        (lambda d, x, y: d * (1 + 2.0**-42), ""),
    ],
)
def test_flags(wrong: Callable[..., Tensor], flag: str) -> None:
    f = found(bent(PoincareBall, "dist", wrong), "dist")
    assert f.flag == flag and f.ulp > 500


def test_points_outside_and_wrong_gradients_are_seen() -> None:
    def on_the_rim(y: Tensor, x: Tensor, v: Tensor) -> Tensor:
        return y / y.norm(dim=-1, keepdim=True)

    assert found(bent(PoincareBall, "expmap", on_the_rim), "expmap").flag == "out"
    detached = bent(Lorentz, "dist", lambda d, x, y: 1.001 * d - 0.001 * d.detach())
    assert found(detached, "dist").ulp < 4 and found(detached, "dist", "grad").ulp > 1e10
    scaled = bent(HalfSpace, "dist", lambda d, x, y: d * 2)
    assert found(scaled, "dist", "c").ulp > 1e10


def test_the_bits_of_floats_find_what_radii_do_not() -> None:
    def lost(v: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return torch.where((v.abs() < 1e-100) & (v != 0), torch.nan, v)

    def lopsided(v: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return v * (1 + 1e-3 * (x[..., :1] > 0))

    kw: dict[str, Any] = dict(n=3000, dim=3, dtype=torch.float64, exactly=0)
    assert any(s.startswith("NaN in") for s in look(bent(PoincareBall, "logmap", lost), "logmap", **kw))
    assert any("turned" in s for s in look(bent(PoincareBall, "logmap", lopsided), "logmap", **kw))
    ulp = bent(PoincareBall, "logmap", lambda v, x, y: v * (1 + 2.0**-48))
    assert any("off by" in s for s in look(ulp, "logmap", **{**kw, "exactly": 3}))


def test_regimes_are_where_they_say() -> None:
    for cls in (PoincareBall, Lorentz, HalfSpace):
        for dtype in (torch.float32, torch.float64):
            draw = Draw(cls(curvature=-0.25), 3, dtype, 3)
            for r in (1e-3, 1.0, 8.0):
                x = draw.point(r)
                assert x is not None and abs(draw.radius(x) - r) <= 0.2 * r
                assert torch.tensor(x, dtype=dtype).double().tolist() == x
                y = draw.neighbour(x, 1e-2)
                if y is not None:
                    assert 5e-3 <= 0.5 * float(draw.reference.dist(x, y)) <= 2e-2
                near = draw.floats_apart(x)
                assert near is not None and near != x
                v = draw.vector(x, 3.0)
                assert v is not None and 0.5 * float(draw.reference("norm", x, v)) == pytest.approx(3.0, rel=1e-2)
            (t,) = draw.tensors("p", [(x,)])
            assert draw.manifold.check_point_on_manifold(t)
    assert Draw(PoincareBall(), 3, torch.float32).point(40.0) is None
