import pytest
import torch
from layers import EDGES, MODELS, features

from hypgeo.manifolds import Lorentz, Manifold, PoincareBall
from hypgeo.nn import DistanceDecoder, FermiDiracDecoder


@pytest.mark.parametrize("kind", MODELS)
def test_logits_of_distances(kind: type[Manifold]) -> None:
    space = kind(curvature=-0.6)
    z, w = (space.from_normal_coordinates(features(seed=s)) for s in (0, 1))
    d = space.dist(z[EDGES[0]], w[EDGES[1]])
    fermi = FermiDiracDecoder(space, r=1.5, t=0.5)
    torch.testing.assert_close(
        fermi.probability((z, w), EDGES), 1 / (((d.square() - 1.5) / 0.5).exp() + 1), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(DistanceDecoder(space, b=1.0, s=2.0)((z, w), EDGES), 1.0 - 2.0 * d, rtol=1e-6, atol=1e-6)
    assert not any(p.requires_grad for p in fermi.parameters())
    assert torch.equal(fermi(z, EDGES), fermi(z, EDGES.flip(0)))


def test_no_probability_overflows() -> None:
    space = Lorentz()
    z = space.from_normal_coordinates(60 * features(dtype=torch.float32)).requires_grad_()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(FermiDiracDecoder(space)(z, EDGES), torch.ones(10))
    loss.backward()
    assert loss.isfinite() and z.grad.isfinite().all()


@pytest.mark.parametrize("make", (FermiDiracDecoder, DistanceDecoder))
def test_refuses_edges_to_nowhere(make: type[FermiDiracDecoder | DistanceDecoder]) -> None:
    space = PoincareBall()
    decoder, z = make(space), 0.1 * features()
    with pytest.raises(ValueError, match=r"Decoder got 7 targets, nodes 0 to 6, but edge_index\[1\] holds 9; drop"):
        decoder(z, torch.tensor([[0], [9]]))
    with pytest.raises(ValueError, match=r"Decoder takes edge_index \(2, edges\) of integers, got torch.float32"):
        decoder(z, EDGES.float())
    with pytest.raises(ValueError, match=r"Decoder takes points on PoincareBall.*are not inside"):
        decoder((z, 50 * z), EDGES)


def test_refuses_a_scale_that_is_not_positive() -> None:
    with pytest.raises(ValueError, match=r"^FermiDiracDecoder: the temperature t must be positive, got 0$"):
        FermiDiracDecoder(PoincareBall(), t=0)
    with pytest.raises(ValueError, match=r"^DistanceDecoder: the scale s must be positive, got -1.0$"):
        DistanceDecoder(PoincareBall(), s=-1.0)
