"""What PyTorch Geometric does with a convolution: mini-batches, heterogeneous graphs, explanations, compilation."""

import copy

import pytest
import torch
from layers import EDGES, MODELS, features, stirred
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.explain.metric import fidelity
from torch_geometric.nn import to_hetero
from torch_geometric.utils import k_hop_subgraph

from hypgeo.manifolds import Euclidean, Lorentz, Manifold, PoincareBall
from hypgeo.nn import Activation, Hyperplanes, Sequential, ToManifold
from hypgeo.nn.graph import HGATConv, HGCNConv

AGGRS = ("tangent", "local", "midpoint", "frechet")


def model(space: Manifold, aggr: str = "tangent", conv: type = HGCNConv, **kwargs: object) -> Sequential:
    return stirred(
        Sequential(
            ToManifold(space),
            conv(3, 4, space, aggr=aggr, **kwargs),
            Activation(space, torch.tanh),
            conv(4, 4, space, aggr=aggr, **kwargs),
            Hyperplanes(4, 2, space),
        )
    )


def graph(n: int = 60) -> Data:
    g = torch.Generator().manual_seed(5)
    return Data(x=features(n, dtype=torch.float32), edge_index=torch.randint(n, (2, 3 * n), generator=g))


@pytest.mark.parametrize("aggr", AGGRS)
@pytest.mark.parametrize("conv", (HGCNConv, HGATConv))
def test_a_neighbourhood_gives_what_the_whole_graph_gives(conv: type, aggr: str) -> None:
    data, net = graph(), model(PoincareBall(), aggr, conv)
    want = net(data.x, data.edge_index)
    for seeds in (torch.tensor([3, 17, 42]), torch.tensor([0])):
        nodes, edges, at, _ = k_hop_subgraph(seeds, 2, data.edge_index, relabel_nodes=True)
        assert len(nodes) < 60
        torch.testing.assert_close(net(data.x[nodes], edges)[at], want[seeds], rtol=1e-5, atol=1e-5)


class Two(nn.Module):
    def __init__(self, space: Manifold, conv: type) -> None:
        super().__init__()
        self.lift = ToManifold(space)
        self.conv = conv(3, 4, space, add_self_loops=False)
        self.act = Activation(space)
        self.head = Hyperplanes(4, 2, space)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.head(self.act(self.conv(self.lift(x), edge_index)))


@pytest.mark.parametrize("conv", (HGCNConv, HGATConv))
@pytest.mark.parametrize("kind", MODELS)
def test_heterogeneous_graphs(kind: type[Manifold], conv: type) -> None:
    """One relation into each kind of node: what several bring would be added as coordinates."""
    space = kind(learnable=True)
    net = Two(space, conv)
    kinds, relations = ["user", "item"], [("user", "buys", "item"), ("item", "sold_to", "user")]
    both = to_hetero(net, (kinds, relations))
    x = {"user": features(5, dtype=torch.float32), "item": features(3, seed=1, dtype=torch.float32)}
    edges = torch.stack((EDGES[0] % 5, EDGES[1] % 3))
    out = both(x, {relations[0]: edges, relations[1]: edges.flip(0)})
    assert out["user"].shape == (5, 2) and out["item"].shape == (3, 2)
    sum(o.square().sum() for o in out.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in both.parameters())


@pytest.mark.parametrize("conv", (HGCNConv, HGATConv))
@pytest.mark.parametrize("aggr", ("tangent", "midpoint", "frechet"))
def test_explanations_reach_the_edges(aggr: str, conv: type) -> None:
    """The mask of a far edge stays as it is drawn, that of a near one learns; and hard masks cut edges off."""
    torch.manual_seed(0)
    n = 8
    data = Data(x=features(n, dtype=torch.float32), edge_index=torch.stack((torch.arange(n - 1), torch.arange(1, n))))
    net = model(PoincareBall(), aggr, conv).eval()
    explainer = Explainer(
        net,
        GNNExplainer(epochs=30),
        "model",
        edge_mask_type="object",
        node_mask_type="attributes",
        model_config={"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"},
    )
    explanation = explainer(data.x, data.edge_index, index=4)
    mask = explanation.edge_mask
    assert mask.isfinite().all() and float(mask[2:4].min()) > 0 and float(mask[4:].max()) == 0 == float(mask[:2].max())
    assert all(0 <= f <= 1 for f in fidelity(explainer, explanation))


@pytest.mark.parametrize("aggr", ("tangent", "midpoint", "frechet"))
def test_a_mask_of_edges_is_their_weight(aggr: str) -> None:
    from torch_geometric.explain.algorithm.utils import clear_masks, set_masks

    space = Lorentz()
    net = stirred(HGCNConv(3, 4, space, aggr=aggr, add_self_loops=False, normalize=None))
    x = space.from_normal_coordinates(features(dtype=torch.float32))
    mask = torch.rand(10)
    want = net(x, EDGES, mask)
    set_masks(net, nn.Parameter(mask), EDGES, apply_sigmoid=False)
    torch.testing.assert_close(net(x, EDGES), want, rtol=1e-5, atol=1e-6)
    net(x, EDGES).sum().backward()
    several = torch.bincount(EDGES[1])[EDGES[1]] > 1  # a mean of one point is that, whatever its weight
    assert float(net._edge_mask.grad[several].abs().min()) > 0
    clear_masks(net)
    off = mask.clone().index_fill(0, (EDGES[1] == 2).nonzero().squeeze(1), 0.0)
    set_masks(net, nn.Parameter(off), EDGES, apply_sigmoid=False)
    torch.testing.assert_close(net(x, EDGES)[2], space.origin(5))


@pytest.mark.parametrize("aggr", ("tangent", "frechet"))
def test_a_network_compiles_whole(aggr: str) -> None:
    space = PoincareBall(curvature=-0.5, learnable=True)
    net = stirred(Sequential(ToManifold(space), HGCNConv(3, 4, space, aggr=aggr, normalize=None)))
    x, found = features(dtype=torch.float32), []
    torch._dynamo.reset()
    for run in (net, torch.compile(copy.deepcopy(net), fullgraph=True, backend="aot_eager")):
        leaf = x.clone().requires_grad_()
        out = run(leaf, EDGES)
        out.square().sum().backward()
        found.append((out.detach(), leaf.grad, *(p.grad for p in run.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    with pytest.raises((ValueError, RuntimeError, IndexError), match=r"index"):
        run(x, EDGES + 1)


def test_features_of_nodes_become_points_in_the_first_layer() -> None:
    space = PoincareBall()
    net = stirred(HGCNConv(3, 4, space, in_manifold=Euclidean()))
    other = HGCNConv(3, 4, space)
    other.load_state_dict({n: p for n, p in net.state_dict().items() if not n.startswith("in_")}, strict=False)
    x = features(dtype=torch.float32)
    torch.testing.assert_close(net(x, EDGES), other(space.from_normal_coordinates(x), EDGES), rtol=1e-5, atol=1e-6)
