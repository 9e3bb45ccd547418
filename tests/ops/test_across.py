"""Products of rows that are all but orthogonal: what is left when their terms cancel, to its last bit."""

import pytest
import torch

import hypgeo
from hypgeo.testing.reference import Reference

MODELS = ("PoincareBall", "Lorentz", "HalfSpace")
# <u, v> is the square of the last but one: the others cancel, before a sum in the level's precision has seen it
TERMS = {
    torch.float32: ([1.0, 2.0**-30, 1.0], [1.0, 2.0**-30, -1.0]),
    torch.float64: ([1.0, 2.0**-30, 2.0**-80, 1.0, 2.0**-30], [1.0, 2.0**-30, 2.0**-80, -1.0, -(2.0**-30)]),
}


@pytest.mark.parametrize("dtype", TERMS, ids=str)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("op", ("inner", "hyperplane_dist"))
def test_nothing_of_a_small_product_is_lost(op: str, model: str, dtype: torch.dtype) -> None:
    manifold = getattr(hypgeo, model)()
    u, v = (torch.tensor([*t, 0.0, 0.0], dtype=dtype) for t in TERMS[dtype])
    p = torch.zeros_like(u)
    p[-2], p[-1] = 0.25, 1.0 if model == "HalfSpace" else 0.0
    if model == "Lorentz":
        p = torch.cat(((1 + p.square().sum()).sqrt()[None], p))
        u, v = (torch.cat((torch.zeros(1, dtype=dtype), t)) for t in (u, v))
    x = p - u / 16
    if model == "Lorentz":
        x[0] = (1 + x[1:].square().sum()).sqrt()
    args = (p, u, v) if op == "inner" else (x, p, v)
    want = float(Reference(manifold)(op, *args))
    assert want != 0.0
    for rows in (1, 17):
        got = getattr(manifold, op)(*(a.expand(rows, -1) for a in args))
        wanted = torch.full((rows,), want, dtype=torch.float64)
        torch.testing.assert_close(got.double(), wanted, rtol=4 * torch.finfo(dtype).eps, atol=0)
