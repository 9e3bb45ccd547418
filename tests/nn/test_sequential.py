from collections import OrderedDict

import pytest
import torch
from layers import EDGES, features
from torch import nn

from hypgeo.manifolds import Euclidean, Lorentz, PoincareBall
from hypgeo.nn import Activation, FromManifold, Hyperplanes, Linear, Sequential, ToManifold
from hypgeo.nn.graph import HGATConv, HGCNConv


def test_edges_go_to_those_that_take_them() -> None:
    space = PoincareBall()
    x = space.from_normal_coordinates(features(dtype=torch.float32))
    first, then = HGCNConv(3, 4, space), HGATConv(4, 2, space)
    net = Sequential(first, Activation(space), Sequential(then, FromManifold(space)), nn.Tanh())
    want = space.normal_coordinates(then(Activation(space)(first(x, EDGES)), EDGES)).tanh()
    assert torch.equal(net(x, EDGES), want)
    weight = torch.rand(EDGES.shape[1])
    assert torch.equal(
        Sequential(first, Activation(space))(x, EDGES, edge_weight=weight), Activation(space)(first(x, EDGES, weight))
    )


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
