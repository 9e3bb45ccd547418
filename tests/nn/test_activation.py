import pytest
import torch
from layers import MODELS, Euclidean, features
from torch import nn

from hypgeo.manifolds import Lorentz, Manifold, PoincareBall
from hypgeo.nn import Activation, Dropout


@pytest.mark.parametrize("kind", (*MODELS, Euclidean))
def test_a_function_acts_on_normal_coordinates(kind: type[Manifold]) -> None:
    space, a = kind(), features()
    x = space.from_normal_coordinates(a)
    torch.testing.assert_close(space.normal_coordinates(Activation(space)(x)), a.relu())
    elu = nn.ELU()
    torch.testing.assert_close(space.normal_coordinates(Activation(space, elu)(x)), elu(a))


def test_another_curvature_takes_points_over_by_normal_coordinates() -> None:
    ball, other, a = PoincareBall(curvature=-2.0), Lorentz(curvature=-0.1), features()
    out = Activation(other, lambda t: t, in_manifold=ball)(ball.from_normal_coordinates(a))
    torch.testing.assert_close(other.normal_coordinates(out), a)


def test_weights_of_an_activation_are_parameters() -> None:
    assert [n for n, _ in Activation(PoincareBall(), nn.PReLU()).named_parameters()] == ["f.weight"]


@pytest.mark.parametrize("kind", (*MODELS, Euclidean))
def test_dropout_zeroes_normal_coordinates_in_training_only(kind: type[Manifold]) -> None:
    torch.manual_seed(0)
    space = kind()
    a = features(400)
    x = space.from_normal_coordinates(a)
    drop = Dropout(space, 0.25)
    b = space.normal_coordinates(drop(x))
    kept = b.abs() > 1e-12
    assert 0.2 < 1 - float(kept.double().mean()) < 0.3
    torch.testing.assert_close(b[kept], a[kept] / 0.75)
    assert torch.equal(drop.eval()(x), x) and torch.equal(Dropout(space, 0.0)(x), x)


def test_refuses_what_is_no_probability() -> None:
    for p in (1.0, -0.1):
        with pytest.raises(ValueError, match=rf"^Dropout: p is a probability below 1, got {p}$"):
            Dropout(PoincareBall(), p)
