"""What a module that holds a manifold may expect of PyTorch: saving, copies, casts, autocast, export, compile, func."""

import copy
import io
import warnings

import pytest
import torch
from torch import Tensor, nn

import hypgeo
from hypgeo.manifolds import Manifold

MODELS = ("PoincareBall", "Lorentz", "HalfSpace")


class Halfway(nn.Module):
    """How far y is from the middle of x and y."""

    def __init__(self, manifold: Manifold) -> None:
        super().__init__()
        self.manifold = manifold

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        middle = self.manifold.expmap(x, 0.5 * self.manifold.logmap(x, y))
        return self.manifold.dist(middle, y)


@pytest.fixture(params=MODELS)
def module(request: pytest.FixtureRequest) -> Halfway:
    return Halfway(getattr(hypgeo, request.param)(curvature=-0.7, learnable=True))


def pair(module: Halfway, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    v = 0.3 * torch.randn(2, 6, 4, generator=g)
    v[..., 0] *= not isinstance(module.manifold, hypgeo.Lorentz)
    x, y = module.manifold.expmap0(v).detach().to(dtype)
    return x, y


def test_saving_needs_no_pickle_and_copies_are_apart(module: Halfway) -> None:
    x, y = pair(module)
    with torch.no_grad():
        module.manifold.log_scale.fill_(0.3)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = Halfway(type(module.manifold)(curvature=-2.0, learnable=True))
    other.load_state_dict(torch.load(file, weights_only=True))
    twin = copy.deepcopy(module)
    assert torch.equal(other(x, y), module(x, y)) and torch.equal(twin(x, y), module(x, y))
    with torch.no_grad():
        twin.manifold.log_scale.add_(1.0)
    assert not torch.equal(twin(x, y), module(x, y))


def test_dtypes_follow_the_points(module: Halfway) -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        x, y = pair(module, dtype)
        assert module(x, y).dtype is dtype
        assert module.double()(x, y).dtype is dtype and module.float()(x, y).dtype is dtype


def test_autocast_keeps_the_points_dtype_and_the_numbers(module: Halfway) -> None:
    x, y = pair(module)
    plain = module(x, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(x, y), plain)


def test_export_and_compile_without_breaks_or_warnings(module: Halfway) -> None:
    x, y = pair(module)
    plain = module(x, y)
    assert torch.equal(torch.export.export(module, (x, y)).module()(x, y), plain)
    torch._dynamo.reset()
    found = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for run in (module, torch.compile(module, fullgraph=True, backend="aot_eager")):
            leaf = x.clone().requires_grad_()
            module.zero_grad()
            out = run(leaf, y)
            out.sum().backward()
            found.append((out.detach(), leaf.grad, module.manifold.log_scale.grad.clone()))
    assert not [w for w in said if "hypgeo" in str(w.message) or "lru_cache" in str(w.message)]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def test_func_transforms_agree_with_autograd(module: Halfway) -> None:
    x, y = pair(module, torch.float64)
    rows = torch.func.vmap(module)(x, y)
    torch.testing.assert_close(rows, module(x, y))
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(module(leaf, y).sum(), leaf)
    torch.testing.assert_close(torch.func.grad(lambda a: module(a, y).sum())(x), slope)
    v = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    if isinstance(module.manifold, hypgeo.Lorentz):
        v = module.manifold.proju(x, v)
    _, along = torch.func.jvp(lambda a: module(a, y), (x,), (v,))
    torch.testing.assert_close(along, (slope * v).sum(-1))
