import pytest
import torch

from hypgeo.manifolds import Euclidean, Lorentz, Manifold, PoincareBall
from hypgeo.nn import Activation, Linear, Sequential, ToManifold, curvatures, parameter_groups


def test_a_bound_is_never_passed_and_can_be_left_again() -> None:
    space = Lorentz(curvature=-1.0, learnable=True, bounds=(-3.0, -0.5))
    optimiser = torch.optim.Adam(space.parameters(), lr=0.05)

    def push(sign: float, steps: int) -> float:
        for _ in range(steps):
            optimiser.zero_grad()
            (sign * space.curvature).backward()
            optimiser.step()
            assert -3.0 < float(space.curvature) < -0.5 and float(space.log_scale.grad) != 0
        return float(space.curvature)

    assert push(1.0, 5000) < -2.9
    assert push(-1.0, 5000) > -1.0


def test_bounds_leave_the_start_and_its_slope_alone() -> None:
    one, other = PoincareBall(-0.7, learnable=True, bounds=(-2.0, -0.1)), PoincareBall(-0.7, learnable=True)
    for space in (one, other):
        space.curvature.backward()
    assert float(one.curvature) == -0.7 == float(other.curvature)
    assert float(one.log_scale.grad) == float(other.log_scale.grad)
    t = torch.linspace(-9, 9, 37, dtype=torch.float64)
    with torch.no_grad():
        values = [float((one.log_scale.fill_(v), one.curvature)[1]) for v in t]
    assert values == sorted(values, reverse=True) and -2.0 < values[-1] < -1.8 and -0.11 > values[0] > -0.2


def test_slope_of_a_bounded_curvature() -> None:
    for t in (-2.0, -0.1, 0.0, 0.3, 5.0):
        space = Lorentz(-0.7, learnable=True, bounds=(-2.0, -0.1))

        def curvature(scale: torch.Tensor, space: Lorentz = space) -> torch.Tensor:
            return torch.func.functional_call(Held(space), {"space.log_scale": scale}, ())

        assert torch.autograd.gradcheck(curvature, torch.tensor(t, dtype=torch.float64, requires_grad=True))


class Held(torch.nn.Module):
    def __init__(self, space: Manifold) -> None:
        super().__init__()
        self.space = space

    def forward(self) -> torch.Tensor:
        return self.space.curvature


def test_refuses_wrong_bounds() -> None:
    with pytest.raises(ValueError, match=r"bounds = \(-2, -0.5\) limit a curvature that is learnt; add learnable=True"):
        PoincareBall(bounds=(-2, -0.5))
    for bounds in ((-0.5, -2.0), (-2.0, 0.0), (-1.0, -0.5), (-2.0, -1.0), (float("nan"), -0.5)):
        with pytest.raises(ValueError, match=r"^PoincareBall: bounds must be \(least, greatest\) curvature"):
            PoincareBall(learnable=True, bounds=bounds)


def model() -> Sequential:
    a, b = PoincareBall(-0.5, learnable=True), Lorentz(-2.0)
    return Sequential(ToManifold(a), Linear(3, 3, a), Activation(b, in_manifold=a), Linear(3, 2, b))


def test_curvatures_name_each_manifold_once_and_no_flat_one() -> None:
    assert curvatures(model()) == {"0.manifold": -0.5, "2.manifold": -2.0}
    assert curvatures(Linear(3, 2, Euclidean())) == {}


def test_parameter_groups_put_the_curvature_apart_without_decay() -> None:
    net = model()
    rest, scale = parameter_groups(net, curvature_lr=1e-3, weight_decay=0.5)
    assert rest["weight_decay"] == 0.5 and (scale["weight_decay"], scale["lr"]) == (0.0, 1e-3)
    assert [id(p) for p in scale["params"]] == [id(net[0].manifold.log_scale)]
    assert len(rest["params"]) == 4 and len({id(p) for p in rest["params"] + scale["params"]}) == 5
    before = net[0].manifold.curvature.item()
    optimiser = torch.optim.SGD(parameter_groups(net, weight_decay=0.5), lr=0.1)
    (0 * sum(p.sum() for p in net.parameters())).backward()
    optimiser.step()
    assert net[0].manifold.curvature.item() == before
    assert len(parameter_groups(Linear(3, 2, Lorentz()))) == 1
