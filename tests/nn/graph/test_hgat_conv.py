import pytest
import torch
from layers import EDGES, MODELS, Euclidean, features, stirred
from torch import Tensor
from torch_geometric.nn import GATConv
from torch_geometric.utils import scatter, to_torch_csr_tensor

from hypgeo.manifolds import Lorentz, Manifold, PoincareBall
from hypgeo.nn.graph import HGATConv

AGGRS = ("tangent", "local", "midpoint", "frechet")


def conv(space: Manifold, **kwargs: object) -> HGATConv:
    return stirred(HGATConv(3, 2, space, **kwargs))


def points(space: Manifold, n: int = 7, seed: int = 0) -> Tensor:
    return space.from_normal_coordinates(features(n, dtype=torch.float32, seed=seed)).detach()


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("concat", (True, False))
def test_flat_space_is_gat_conv(concat: bool) -> None:
    ours = conv(Euclidean(), heads=3, concat=concat, bias=False)
    theirs = GATConv(3, 2, heads=3, concat=concat, bias=False)
    theirs.lin.weight.data, theirs.att_src.data, theirs.att_dst.data = (
        p.data for p in (ours.lin.weight, ours.att_src, ours.att_dst)
    )
    x = features(dtype=torch.float32)
    for edges in (EDGES, torch.cat((EDGES, torch.tensor([[2], [2]])), 1)):
        close(ours(x, edges), theirs(x, edges))


@pytest.mark.parametrize("heads", (1, 3))
@pytest.mark.parametrize("aggr", AGGRS)
@pytest.mark.parametrize("kind", MODELS)
def test_attention_is_returned_and_sums_to_one(kind: type[Manifold], aggr: str, heads: int) -> None:
    space = kind()
    net, x = conv(space, heads=heads, aggr=aggr), points(space)
    out, (edges, alpha) = net(x, EDGES, return_attention_weights=True)
    assert out.shape == (7, space.ambient_dim(2 * heads)) and alpha.shape == (17, heads)
    close(scatter(alpha, edges[1], 0, reduce="sum"), torch.ones(7, heads))
    assert torch.equal(out, net(x, EDGES)) and float(alpha.min()) > 0


@pytest.mark.parametrize("aggr", AGGRS)
def test_each_head_is_a_layer_of_its_own(aggr: str) -> None:
    space = PoincareBall()
    both, x = conv(space, heads=2, aggr=aggr), points(space)
    outs = []
    for k in range(2):
        one = HGATConv(3, 2, space, aggr=aggr)
        one.lin.weight.data = both.lin.weight.data[2 * k : 2 * k + 2]
        one.att_src.data, one.att_dst.data = both.att_src.data[:, k : k + 1], both.att_dst.data[:, k : k + 1]
        one.bias.data = both.bias.data[k : k + 1]
        outs.append(space.normal_coordinates(one(x, EDGES)))
    close(space.normal_coordinates(both(x, EDGES)), torch.cat(outs, 1))
    both.concat = False
    close(space.normal_coordinates(both(x, EDGES)), (outs[0] + outs[1]) / 2)


@pytest.mark.parametrize("aggr", AGGRS)
def test_a_sparse_matrix_is_its_edges(aggr: str) -> None:
    space = Lorentz()
    net, x = conv(space, heads=2, aggr=aggr), points(space)
    edges = torch.cat((EDGES, torch.tensor([[3], [3]])), 1)
    for e in (EDGES, edges):
        close(net(x, to_torch_csr_tensor(e.flip(0), size=(7, 7))), net(x, e))


@pytest.mark.parametrize("aggr", AGGRS)
def test_dropout_of_all_attention_leaves_the_origin_and_no_nan(aggr: str) -> None:
    space = PoincareBall()
    torch.manual_seed(0)
    net, x = conv(space, aggr=aggr, dropout=0.9), points(space).requires_grad_()
    out = net(x, EDGES)
    out.sum().backward()
    assert out.isfinite().all() and x.grad.isfinite().all()
    assert aggr == "local" or bool((out == 0).all(-1).any())
    assert torch.equal(net.eval()(x, EDGES), net(x, EDGES))


@pytest.mark.parametrize("aggr", AGGRS)
def test_sources_and_targets_apart(aggr: str) -> None:
    space = Lorentz()
    net, x, t = conv(space, aggr=aggr), points(space), points(space, 4, seed=1)
    edges = torch.stack((EDGES[0], EDGES[1] % 4))
    whole = conv(space, aggr=aggr, add_self_loops=False)
    close(net((x, t), edges), whole(torch.cat((t, x)), torch.stack((edges[0] + 4, edges[1])))[:4])
    if aggr != "local":
        assert net((x, None), edges, size=(7, 4)).shape == (4, 3)


def test_features_of_edges_count() -> None:
    space = PoincareBall()
    net, x = conv(space, edge_dim=2), points(space)
    attr = torch.rand(10, 2)
    assert not torch.allclose(net(x, EDGES, attr), net(x, EDGES))
    shuffle = torch.randperm(10)
    close(net(x, EDGES[:, shuffle], attr[shuffle]), net(x, EDGES, attr))


@pytest.mark.parametrize("aggr", AGGRS)
def test_a_node_without_neighbours(aggr: str) -> None:
    space = PoincareBall()
    net, x = conv(space, aggr=aggr, add_self_loops=False), points(space, 8)
    alone = space.from_normal_coordinates(net.heads_of(space.normal_coordinates(x[7:])))[:, 0]
    want = alone if aggr == "local" else torch.zeros(1, 2)
    close(net(x, EDGES)[7:], want)


def test_refuses_edges_to_nowhere() -> None:
    space = PoincareBall()
    with pytest.raises(ValueError, match=r"^HGATConv got 7 sources, nodes 0 to 6, but edge_index\[0\] holds 8; drop"):
        conv(space)(points(space), torch.tensor([[8], [0]]))
    with pytest.raises(ValueError, match=r"^HGATConv: aggr='local' needs the targets' points"):
        conv(space, aggr="local")((points(space), None), EDGES, size=(7, 7))
