from collections import OrderedDict

import pytest
import torch
from layers import EDGES, features, stirred
from torch import nn

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, Manifold, PoincareBall
from hypgeo.nn import Activation, Dropout, FromManifold, Hyperplanes, Linear, Sequential, ToManifold
from hypgeo.nn.graph import HAPPNP, HGATConv, HGCNConv


def test_edges_go_to_those_that_take_them() -> None:
    space = PoincareBall()
    x = space.from_normal_coordinates(features(dtype=torch.float32))
    first, then = HGCNConv(3, 4, space), HGATConv(4, 2, space)
    net = Sequential(first, Activation(space), Sequential(then, FromManifold(space)), nn.Tanh())
    want = space.normal_coordinates(then(Activation(space)(first(x, EDGES)), EDGES)).tanh()
    torch.testing.assert_close(net(x, EDGES), want)
    weight = torch.rand(EDGES.shape[1])
    torch.testing.assert_close(
        Sequential(first, Activation(space))(x, EDGES, edge_weight=weight), Activation(space)(first(x, EDGES, weight))
    )


CHAIN = {
    "Linear": lambda m: (Linear(3, 4, m), Activation(m), Linear(4, 3, m)),
    "HGCNConv": lambda m: (HGCNConv(3, 4, m), Activation(m), Dropout(m), HGCNConv(4, 3, m, aggr="frechet")),
    "HGATConv": lambda m: (HGATConv(3, 4, m, 2), Activation(m), HGATConv(8, 3, m, 2, concat=False)),
    "HAPPNP": lambda m: (Linear(3, 3, m), HAPPNP(3, 0.2, m)),
    "maps": lambda m: (FromManifold(m), Linear(3, 3, Euclidean()), ToManifold(m), Activation(m)),
}


@pytest.mark.parametrize("chain", CHAIN)
@pytest.mark.parametrize("make", [PoincareBall, Lorentz, HalfSpace])
def test_left_out_maps_change_nothing(make: type[Manifold], chain: str) -> None:
    """The network, its gradients and that of its curvature, against its layers called one by one."""
    space = make(-0.7, learnable=True)
    net = stirred(Sequential(*CHAIN[chain](space)).double()).eval()
    x = space.from_normal_coordinates(features()).detach().requires_grad_()
    want = x
    for layer in net:
        want = layer(want, EDGES) if isinstance(layer, HGCNConv | HGATConv | HAPPNP) else layer(want)
    got, leaves = net(x, EDGES), [x, *net.parameters()]
    torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)
    weight = torch.randn_like(got)
    for a, b in zip(*(torch.autograd.grad((y * weight).sum(), leaves) for y in (got, want)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_far_points_are_not_lost_between_layers() -> None:
    """A ball of float32 ends at a distance of 17; normal coordinates do not."""
    ball = PoincareBall()
    x = torch.tensor([[300.0, -400.0]])
    keep = Activation(ball, torch.clone)
    assert torch.equal(Sequential(ToManifold(ball), keep, keep, FromManifold(ball))(x), x)
    assert FromManifold(ball)(keep(ToManifold(ball)(x))).norm() < 20


def test_a_layer_with_a_hook_is_called() -> None:
    space, seen = PoincareBall(), []
    net = Sequential(HGCNConv(3, 4, space), Activation(space), HGCNConv(4, 3, space))
    x = space.from_normal_coordinates(features(dtype=torch.float32))
    want = net(x, EDGES)
    for layer in net:
        layer.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    torch.testing.assert_close(net(x, EDGES), want)
    assert len(seen) == 3 and all(space.check_point_on_manifold(p) for pair in seen for p in pair)


def test_a_layer_with_a_forward_of_its_own_is_called() -> None:
    class Half(Activation):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.manifold.mobius_scalar_mul(0.5, super().forward(x))

    ball = PoincareBall()
    x = features(dtype=torch.float32)
    got = Sequential(ToManifold(ball), Half(ball), FromManifold(ball))(x)
    torch.testing.assert_close(got, 0.5 * x.relu())
    compiled = torch.compile(Activation(ball), backend="eager")
    torch.testing.assert_close(Sequential(ToManifold(ball), compiled, FromManifold(ball))(x), x.relu())


def test_names_the_layer_that_does_not_fit() -> None:
    space = PoincareBall()
    x = space.from_normal_coordinates(features(dtype=torch.float32))
    with pytest.raises(ValueError, match=r"^Linear was made for 5 channels.*got shape \(7, 4\)"):
        Sequential(HGCNConv(3, 4, space), Linear(5, 3, space))(x, EDGES)
    with pytest.raises(ValueError, match=r"^HGCNConv takes points on PoincareBall"):
        Sequential(HGCNConv(3, 4, space))(3 * features(dtype=torch.float32), EDGES)


def test_slices_names_and_later_additions() -> None:
    space = PoincareBall()
    x = space.from_normal_coordinates(features(dtype=torch.float32))
    net = Sequential(OrderedDict(conv=HGCNConv(3, 4, space), act=Activation(space), head=Hyperplanes(4, 2, space)))
    body = net[:-1]
    assert isinstance(body, Sequential) and torch.equal(net.head(body(x, EDGES)), net(x, EDGES))
    body.append(HGCNConv(4, 3, space))
    assert body(x, EDGES).shape == (7, 3)


class Sources(nn.Module):
    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return x[edge_index[0]]


def test_a_compiled_module_takes_edges_too() -> None:
    x = features()
    assert torch.equal(Sequential(torch.compile(Sources(), backend="eager"))(x, EDGES), x[EDGES[0]])


def test_refuses_neighbours_on_different_manifolds() -> None:
    ball, other = PoincareBall(), Lorentz()
    message = r"^Sequential: Linear ends on PoincareBall.*, but Activation starts from Lorentz.*give it in_manifold"
    with pytest.raises(ValueError, match=message):
        Sequential(Linear(3, 3, ball), Activation(other))
    Sequential(Linear(3, 3, ball), Activation(other, in_manifold=ball), Linear(3, 3, other))
    Sequential(Linear(3, 3, Euclidean()), ToManifold(ball), FromManifold(ball), ToManifold(other))
    Sequential(Hyperplanes(3, 3, ball), ToManifold(other))
