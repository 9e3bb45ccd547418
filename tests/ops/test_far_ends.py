"""Vectors from 30 to 1e13 radii long: where e^T leaves the range of double, ends lie in the direction of the vector."""

import pytest
import torch
from torch import Tensor

import hypgeo

MODELS = ("PoincareBall", "Lorentz", "HalfSpace")


def direction(rows: Tensor, model: str) -> Tensor:
    rows = rows[:, 1:] if model == "Lorentz" else rows[:, :-1] if model == "HalfSpace" else rows
    rows = rows.double() / rows.double().abs().amax(-1, keepdim=True)
    return rows / rows.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("op", ("expmap", "expmap0", "geodesic", "mobius_scalar_mul"))
def test_far_ends_lie_in_the_direction_of_the_vector(op: str, model: str, dtype: torch.dtype) -> None:
    manifold = getattr(hypgeo, model)()
    length = torch.logspace(1.5, 13, 600, dtype=torch.float64)[:, None]
    u = torch.tensor([[0.6, 0.8, 0.0] if model == "HalfSpace" else [0.48, 0.6, 0.64]], dtype=torch.float64)
    u = torch.cat((torch.zeros(1, 1, dtype=u.dtype), u), -1) if model == "Lorentz" else u
    v = (length * u).to(dtype)
    origin = manifold.origin(*v.shape, dtype=dtype)
    near = manifold.expmap0((0.5 * u).to(dtype)).expand_as(v)
    if op == "expmap":
        end = manifold.expmap(origin, v)
    elif op == "expmap0":
        end = manifold.expmap0(v)
    elif op == "geodesic":
        end = manifold.geodesic(length.to(dtype), origin, near)
    else:
        end = manifold.mobius_scalar_mul(length.to(dtype), near)
    assert bool(end.isfinite().all())
    wanted = direction(v if op.startswith("expmap") else manifold.logmap0(near), model)
    off = (direction(end, model) - wanted).norm(dim=-1)
    assert float(off.max()) < 8 * torch.finfo(dtype).eps
    least = {torch.float32: 16.0, torch.float64: 31.0}[dtype]  # the ball's floats end at 17, the vectors start at 32
    assert float(manifold.dist0(end).min()) > (least if op.startswith("expmap") else 0.4 * least)
