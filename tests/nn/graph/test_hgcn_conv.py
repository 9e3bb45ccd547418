import pytest
import torch
from layers import EDGES, MODELS, Euclidean, features, stirred
from torch import Tensor
from torch_geometric.nn import GCNConv
from torch_geometric.utils import to_torch_csr_tensor

from hypgeo.manifolds import Lorentz, Manifold, PoincareBall
from hypgeo.nn.graph import HGCNConv
from hypgeo.nn.layer import shifted

AGGRS = ("tangent", "local", "midpoint", "frechet")
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0, 1.5, 0.75, 1.0, 2.5, 0.1])


def conv(space: Manifold, **kwargs: object) -> HGCNConv:
    return stirred(HGCNConv(3, 4, space, **kwargs))


def points(space: Manifold, n: int = 7, seed: int = 0) -> Tensor:
    return space.from_normal_coordinates(features(n, dtype=torch.float32, seed=seed)).detach()


def matrix(edges: Tensor, weight: Tensor | None = None, size: tuple[int, int] = (7, 7)) -> Tensor:
    """The sparse transposed adjacency matrix."""
    return to_torch_csr_tensor(edges.flip(0), weight, size=size)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("weight", (None, WEIGHTS), ids=("plain", "weights"))
@pytest.mark.parametrize("improved", (False, True))
@pytest.mark.parametrize("loops", (False, True))
def test_flat_space_is_gcn_conv_exactly(weight: Tensor | None, improved: bool, loops: bool) -> None:
    options = {"bias": False, "improved": improved, "add_self_loops": loops}
    ours, theirs = conv(Euclidean(), normalize="sym", **options), GCNConv(3, 4, **options)
    theirs.lin.weight.data = ours.lin.weight.data
    x = features(dtype=torch.float32)
    for edges in (EDGES, torch.cat((EDGES[:, :-1], torch.tensor([[3], [3]])), 1)):
        assert torch.equal(ours(x, edges, weight), theirs(x, edges, weight))


@pytest.mark.parametrize("aggr", AGGRS)
def test_flat_space_takes_weighted_averages(aggr: str) -> None:
    net, x = conv(Euclidean(), aggr=aggr, add_self_loops=False), features(dtype=torch.float32)
    y = x @ net.lin.weight.mT + net.bias
    shares = torch.zeros(7, 7).index_put((EDGES[1], EDGES[0]), WEIGHTS)
    shares = shares / shares.sum(1, keepdim=True)
    close(net(x, EDGES, WEIGHTS), shares @ y)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("aggr", AGGRS)
def test_each_node_gets_what_its_aggregation_says(aggr: str, kind: type[Manifold]) -> None:
    """Against a loop over nodes in the manifold's own verbs."""
    space = kind(curvature=-0.6)
    net = conv(space, aggr=aggr, add_self_loops=False).double()
    x = space.from_normal_coordinates(features())
    y = space.from_normal_coordinates(space.normal_coordinates(x) @ net.lin.weight.mT)
    y = space.mobius_add(y, space.from_normal_coordinates(net.bias))
    out = net(x, EDGES, WEIGHTS)
    for i in range(7):
        j = EDGES[0][EDGES[1] == i]
        w = WEIGHTS[EDGES[1] == i].double()
        w = w / w.sum()
        if aggr in ("midpoint", "frechet"):
            want = (space.midpoint if aggr == "midpoint" else space.frechet_mean)(y[j], w)
        elif aggr == "local":
            want = space.expmap(y[i], (w.unsqueeze(-1) * space.logmap(y[i], y[j])).sum(0))
        else:
            want = space.from_normal_coordinates((w.unsqueeze(-1) * space.normal_coordinates(y[j])).sum(0))
        torch.testing.assert_close(out[i], want, rtol=1e-11, atol=1e-11)


def test_local_sees_points_farther_apart_than_the_ball_has_floats() -> None:
    space = PoincareBall()
    net = HGCNConv(1, 1, space, aggr="local", add_self_loops=False, bias=False)
    net.lin.weight.data.fill_(1.0)
    x = torch.tensor([[0.9999], [-0.9999]])
    out = net(x, torch.tensor([[0, 1], [1, 0]]))
    torch.testing.assert_close(out, -x, rtol=0, atol=2**-23)


@pytest.mark.parametrize("aggr", AGGRS)
def test_self_loops_are_added_once_and_existing_ones_keep_their_weight(aggr: str) -> None:
    space = PoincareBall()
    with_loops, without = conv(space, aggr=aggr), conv(space, aggr=aggr, add_self_loops=False)
    x, nodes = points(space), torch.arange(7)
    loops = torch.stack((nodes, nodes))
    all_loops = torch.cat((EDGES, loops), 1)
    close(with_loops(x, EDGES), without(x, all_loops))
    close(with_loops(x, all_loops), without(x, all_loops))
    one = torch.cat((EDGES, torch.tensor([[2], [2]])), 1)
    own = torch.ones(7).index_fill(0, torch.tensor([2]), 5.0)
    close(
        with_loops(x, one, torch.cat((WEIGHTS, torch.tensor([5.0])))),
        without(x, all_loops, torch.cat((WEIGHTS, own))),
    )


@pytest.mark.parametrize("normalize", ("row", "sym", None))
@pytest.mark.parametrize("aggr", AGGRS)
def test_a_sparse_matrix_is_its_edges(aggr: str, normalize: str | None) -> None:
    space = Lorentz()
    x = points(space)
    edges = torch.cat((EDGES[:, :-1], torch.tensor([[3], [3]])), 1)
    for loops in (True, False):
        net = conv(space, aggr=aggr, normalize=normalize, add_self_loops=loops)
        close(net(x, matrix(edges, WEIGHTS)), net(x, edges, WEIGHTS))
        close(net(x, matrix(edges, WEIGHTS).to_sparse_coo()), net(x, edges, WEIGHTS))
        close(net(x, matrix(edges)), net(x, edges))


@pytest.mark.parametrize("aggr", AGGRS)
def test_two_equal_edges_are_one_of_weight_two(aggr: str) -> None:
    space = PoincareBall()
    net, x = conv(space, aggr=aggr), points(space)
    close(net(x, torch.cat((EDGES, EDGES[:, :1]), 1)), net(x, EDGES, torch.tensor([2.0] + [1.0] * 9)))


@pytest.mark.parametrize("aggr", AGGRS)
def test_an_edge_of_weight_zero_is_none(aggr: str) -> None:
    space = PoincareBall()
    net, x = conv(space, aggr=aggr, add_self_loops=False), points(space)
    alone = torch.ones(10, requires_grad=True) * (EDGES[1] != 2)
    out = net(x, EDGES, alone)
    close(out, net(x, EDGES[:, EDGES[1] != 2]))
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("aggr", AGGRS)
def test_a_node_without_neighbours(aggr: str, kind: type[Manifold]) -> None:
    """It ends in the origin, but stays where it is with "local"."""
    space = kind()
    net, x = conv(space, aggr=aggr, add_self_loops=False), points(space, 9)
    out = net(x, EDGES)[7:]
    alone = space.from_normal_coordinates(shifted(space, net.features(space.normal_coordinates(x[7:])), net.bias))
    want = alone if aggr == "local" else space.origin(2, out.shape[1])
    close(out, want)
    empty = torch.empty(2, 0, dtype=torch.int64)
    assert net(x, empty).isfinite().all()


@pytest.mark.parametrize("aggr", AGGRS)
def test_numbering_does_not_matter(aggr: str) -> None:
    space = PoincareBall()
    net, x = conv(space, aggr=aggr), points(space)
    order, shuffle = torch.randperm(7), torch.randperm(10)
    back = torch.argsort(order)
    close(net(x[order], back[EDGES][:, shuffle], WEIGHTS[shuffle]), net(x, EDGES, WEIGHTS)[order])


@pytest.mark.parametrize("aggr", AGGRS)
def test_sources_and_targets_apart(aggr: str) -> None:
    space = Lorentz()
    net, x, t = conv(space, aggr=aggr), points(space), points(space, 4, seed=1)
    edges = torch.stack((EDGES[0], EDGES[1] % 4))
    out = net((x, t), edges)
    assert out.shape == (4, 5)
    whole = conv(space, aggr=aggr, add_self_loops=False)
    close(out, whole(torch.cat((t, x)), torch.stack((edges[0] + 4, edges[1])))[:4])
    close(net((x, t), matrix(edges, size=(4, 7))), out)
    if aggr == "local":
        with pytest.raises(ValueError, match=r"^HGCNConv: aggr='local' needs the targets' points"):
            net((x, None), edges, size=(7, 4))
    else:
        close(net((x, None), edges, size=(7, 4)), out)


def test_cached_edges_are_kept() -> None:
    space = PoincareBall()
    net, x = conv(space, cached=True), points(space)
    want = net(x, EDGES)
    assert torch.equal(net(x, EDGES[:, :2]), want)
    net.reset_parameters()
    stirred(net)
    assert not torch.equal(net(x, EDGES[:, :2]), want)


def test_weights_of_edges_may_be_integers() -> None:
    space = PoincareBall()
    net, x = conv(space), points(space)
    w = torch.arange(1, 11)
    for normalize in ("row", "sym", None):
        net.normalize = normalize
        assert torch.equal(net(x, EDGES, w), net(x, EDGES, w.float()))


def test_features_as_they_are_also_sparse_and_of_unknown_width() -> None:
    ball = PoincareBall()
    torch.manual_seed(0)
    net = HGCNConv(-1, 4, ball, in_manifold=Euclidean())
    x = features(dtype=torch.float32).relu()
    out = net(x, EDGES)
    assert ball.check_point_on_manifold(out) and net.lin.in_channels == 3
    close(net(x.to_sparse(), EDGES), out)
    with pytest.raises(ValueError, match=r"^HGCNConv was made for 3 channels.*got shape \(7, 4\)"):
        net(torch.rand(7, 4), EDGES)


def test_any_aggregation_of_pyg_acts_at_the_origin() -> None:
    space = PoincareBall()
    net, x = conv(space, aggr="max", normalize=None, add_self_loops=False), points(space)
    h = shifted(space, net.features(space.normal_coordinates(x)), net.bias)
    want = torch.stack([h[EDGES[0][EDGES[1] == i]].amax(0) for i in range(7)])
    close(space.normal_coordinates(net(x, EDGES)), want)


def test_refuses_wrong_input() -> None:
    space = PoincareBall()
    net, x = conv(space), points(space)
    with pytest.raises(ValueError, match=r"^HGCNConv got 7 sources, nodes 0 to 6, but edge_index\[0\] holds 8; drop"):
        net(x, torch.tensor([[8], [0]]))
    with pytest.raises(ValueError, match=r"^HGCNConv got 7 targets, nodes 0 to 6, but edge_index\[1\] holds -1"):
        net(x, torch.tensor([[0], [-1]]))
    with pytest.raises(ValueError, match=r"^HGCNConv takes edge_index \(2, edges\) of integers, got torch.float32"):
        net(x, EDGES.float())
    with pytest.raises(ValueError, match=r"^HGCNConv takes edge_index \(2, edges\) of integers, .*\(10, 2\)"):
        net(x, EDGES.T)
    with pytest.raises(TypeError, match=r"^HGCNConv takes edge_index \(2, edges\) or a torch.sparse matrix, got list"):
        net(x, [[0], [1]])
    with pytest.raises(ValueError, match=r"^HGCNConv takes one weight .* each of the 10 edges, got \(9,\); drop"):
        net(x, EDGES, WEIGHTS[:9])
    with pytest.raises(ValueError, match=r"^HGCNConv takes a sparse matrix of shape \(7, 7\) .*, got \(9, 9\); trans"):
        net(x, matrix(EDGES, size=(9, 9)))
    with pytest.raises(ValueError, match=r"with its weights in it, got weights or features of edges beside it"):
        net(x, matrix(EDGES), WEIGHTS)
    with pytest.raises(ValueError, match=r"^HGCNConv: normalize='sym' wants one set of nodes"):
        conv(space, normalize="sym")((x, x[:4]), EDGES % 4)
    with pytest.raises(ValueError, match=r"^HGCNConv: normalize must be 'row', 'sym' or None, got 'both'"):
        HGCNConv(3, 4, space, normalize="both")
    with pytest.raises(
        ValueError, match=r"^HGCNConv: edges go from sources to targets; for flow='target_to_source' fl"
    ):
        HGCNConv(3, 4, space, flow="target_to_source")
