"""MCTensors made and read, and all that PyTorch does with tensors besides arithmetic."""

import copy
import io
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from exactly import mp, numbers, off

import hypgeo.mctensor
from hypgeo import MCTensor
from hypgeo.mctensor import MCRows, exact

F16, F32, F64 = torch.float16, torch.float32, torch.float64


# ------------------------------------------------------------------------------------------ made
@pytest.mark.parametrize("dtype", [F16, F32, F64])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_numbers_of_every_kind_are_rounded_once(n: int, dtype: torch.dtype) -> None:
    tenth = Fraction(1, 10)
    bits = {F16: 11, F32: 24, F64: 53}[dtype]
    for given in ("0.1", tenth, Decimal("0.1"), "1/10", mpmath.mpf(1) / 10, np.longdouble(1) / 10):
        x = MCTensor(given, n, dtype)
        exact = given if isinstance(given, Fraction) else tenth
        if isinstance(given, np.longdouble):
            exact = Fraction(*given.as_integer_ratio())
        room = max(
            Fraction(2) ** (-bits * n - 4), Fraction(2) ** (-24 if dtype == F16 else -149 if dtype == F32 else -1074)
        )
        assert abs(x.to_fractions() - exact) <= room
        again = MCTensor.from_components(x.components)  # canonical
        assert torch.equal(again, x)
    big = 3**200
    if dtype == F64 and n > 6:
        assert MCTensor(big, n, dtype).to_fractions() == big
        assert (MCTensor(1, n) * big).to_fractions() == big == (big * MCTensor(1, n)).to_fractions()
    assert MCTensor(0.1, 5, dtype).to_fractions() == Fraction(0.1) or dtype == F16  # 2^-56 is below float16
    assert MCTensor([[1, 2.5], ["3", Fraction(1, 4)]], n, dtype).tolist() == [[1, 2.5], [3, 0.25]]
    assert MCTensor("inf", n, dtype).tolist() == float("inf") and MCTensor(float("nan"), n, dtype).isnan()
    assert MCTensor([], n, dtype).shape == (0,) and MCTensor([[], []], n, dtype).shape == (2, 0)
    assert MCTensor(1e39 if dtype == F32 else "1e400" if dtype == F64 else 7e4, n, dtype).isinf()


def test_arrays_keep_what_they_hold() -> None:
    x = torch.randn(3, 4, dtype=F64)
    assert torch.equal(MCTensor(x).value(), x) and MCTensor(x).dtype == F64
    assert torch.equal(MCTensor(x.float()).value(), x.float()) and MCTensor(x.float()).dtype == F32
    assert mp(MCTensor(x, 3, F32)) == mp(x)
    assert mp(MCTensor(x.numpy(), 3, F32)) == mp(x)
    whole = torch.tensor([2**62 + 1, -(2**63), 2**63 - 1, 0])
    assert (
        MCTensor(whole).to_fractions() == whole.tolist()
        and MCTensor(whole.numpy(), 3, F32).to_fractions() == whole.tolist()
    )
    assert MCTensor(torch.tensor([True, False])).tolist() == [1, 0]
    assert MCTensor(torch.randn(2, 2).bfloat16()).dtype == F64
    memory = MCTensor(x)
    x.zero_()
    assert memory.value().abs().sum() > 0


def test_components_must_be_in_order() -> None:
    c = torch.tensor([[1.0, 2.0**-53], [2.0**-60, 1.0]], dtype=F64)
    for bad, word in [
        (c, "out of order"),
        (torch.tensor([1.0, float("nan")]), "NaN"),
        (torch.tensor([float("nan"), 0.0]), "NaN"),
        (torch.tensor([1.0, float("inf")]), "infinite component"),
    ]:
        with pytest.raises(ValueError, match=word):
            MCTensor.from_components(bad)
    x = MCTensor.from_components(c, renormalize=True)
    assert x.to_fractions() == [1 + Fraction(2) ** -53, 1 + Fraction(2) ** -60]
    with pytest.raises(ValueError, match="1 to 8 components, got 9"):
        MCTensor.from_components(torch.zeros(2, 9))
    with pytest.raises(TypeError, match="float16, float32 or float64"):
        MCTensor.from_components(torch.zeros(2, 2, dtype=torch.int64))


@pytest.mark.parametrize(
    ("make", "error", "word"),
    [
        (lambda: MCTensor(1.0, 0), ValueError, "1 to 8 components, got 0"),
        (lambda: MCTensor(1.0, 2, torch.bfloat16), TypeError, "float16, float32 or float64, got torch.bfloat16"),
        (lambda: MCTensor("one"), ValueError, "'one' is no number"),
        (lambda: MCTensor([1.0, object()]), TypeError, "got object"),
        (lambda: MCTensor([[1.0], [1.0, 2.0]]), ValueError, "one shape"),
        (lambda: MCTensor(1j), TypeError, "got complex"),
        (lambda: MCTensor(1.0) + MCTensor(1.0, 3), ValueError, "2 float64 and 3 float64 components do not mix"),
        (lambda: MCTensor(1.0) * MCTensor(1.0, 2, F32), ValueError, "2 float64 and 2 float32 components do not mix"),
        (lambda: torch.cat([MCTensor([1.0]), MCTensor([1.0], 3)]), ValueError, "do not mix"),
        (lambda: torch.erf(MCTensor(1.0)), TypeError, r"no aten::erf .* take .value\(\)"),
        (lambda: torch.linalg.svd(MCTensor([[1.0]])), TypeError, r"take .value\(\)"),
        (lambda: torch.nn.functional.gelu(MCTensor(1.0)), TypeError, r"take .value\(\)"),
        (lambda: MCTensor(1.0).numpy(), TypeError, r"take .value\(\)"),
        (lambda: np.asarray(MCTensor(1.0)), TypeError, r"take .value\(\)"),
        (lambda: torch.zeros(2).add_(MCTensor([1.0, 2.0])), TypeError, "into a plain tensor"),
        (lambda: torch.zeros(2).copy_(MCTensor([1.0, 2.0])), TypeError, "into a plain tensor"),
        (lambda: MCTensor([1.0]).add_(MCTensor([1.0, 2.0])), RuntimeError, "does not fit in place"),
        (lambda: MCTensor([1.0]).bfloat16(), TypeError, "float16, float32 or float64"),
        (lambda: MCTensor([1.0]).sum(2), IndexError, "range|axis"),
    ],
)
def test_errors_say_what_to_do(make: Any, error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        make()


# ------------------------------------------------------------------------------------------ read
def test_printing_shows_the_digits_there_are() -> None:
    assert repr(MCTensor("0.1")) == "MCTensor(0.1, components=2, dtype=torch.float64)"
    third = "MCTensor(0.333333333333333333333333333333332, components=2, dtype=torch.float64)"  # 33 digits
    assert repr(MCTensor("1/3")) == third
    assert repr(MCTensor([1.5, -2, 1e30, "1e-200"])).startswith(
        "MCTensor([1.5, -2, 1000000000000000019884624838656, 1e-200]"
    )
    assert "inf" in repr(MCTensor("inf")) and "nan" in repr(MCTensor("nan"))
    for n, dtype in [(2, F64), (3, F64), (2, F32), (2, F16)]:
        x = numbers(20, n, dtype, -1, 1)
        places = exact.digits(n, dtype)
        for d, v in zip(x.decimals(), x.to_fractions(), strict=True):
            assert len(d.as_tuple().digits) <= places and abs(Fraction(d) / v - 1) < Fraction(10) ** (1 - places)
    assert "..." in repr(MCTensor(torch.zeros(2000)))
    x = MCTensor([[1.0]], requires_grad=True)
    assert "requires_grad=True" in repr(x) and "grad_fn=<MulBackward0>" in repr(x * 2)
    assert f"{MCTensor('1/3'):.3f}" == "0.333" and f"{x}" == repr(x)
    assert MCTensor(2.5).item() == 2.5 and float(MCTensor(2.5)) == 2.5 and bool(MCTensor("1e-40"))


# ------------------------------------------------------------------------------------------ shapes and memory
def test_views_share_memory() -> None:
    x = numbers(24, 2, F64, -1, 1).reshape(2, 3, 4)
    for view in [
        lambda t: t[1],
        lambda t: t[:, 1],
        lambda t: t[..., -1],
        lambda t: t[:, ::2, 1:],
        lambda t: t.T if t.dim() == 2 else t.permute(2, 0, 1),
        lambda t: t.transpose(-1, -3),
        lambda t: t.mT,
        lambda t: t.view(6, 4),
        lambda t: t.flatten(),
        lambda t: t.unsqueeze(-1),
        lambda t: t[:1].squeeze(0),
        lambda t: t.unbind(1)[2],
        lambda t: t.split(2, 2)[1],
        lambda t: t.chunk(2, -1)[0],
        lambda t: t.diagonal(0, 0, 1),
        lambda t: t.unfold(2, 2, 1)[..., 0],
        lambda t: t.as_strided((2, 4), (12, 1), 4),
        lambda t: t[1].as_strided((4,), (1,), 16),
        lambda t: t.narrow(1, 1, 2),
        lambda t: t.detach(),
        lambda t: t.movedim(0, -1),
        lambda t: t.swapaxes(0, 2),
        lambda t: t.unflatten(2, (2, 2)),
    ]:
        base, plain = x.clone(), x.value().clone()
        view(base).mul_(3).add_(1)
        view(plain).mul_(3).add_(1)
        assert torch.equal(base.value() != x.value(), plain != x.value()), view
        assert torch.allclose(base.value(), plain)
        assert view(base).shape == view(plain).shape and view(base).stride() == view(plain).stride()
        assert view(base).storage_offset() == view(plain).storage_offset()
    assert x.expand(5, 2, 3, 4).stride(0) == 0 and x.broadcast_to(5, 2, 3, 4)[4].equal(x)
    assert x.mT.is_contiguous() is False and x.mT.contiguous().is_contiguous()
    assert x.mT.reshape(-1).value().equal(x.value().mT.reshape(-1))


def test_views_share_memory_under_autograd() -> None:
    x = numbers(6, 2, F64, -1, 1).reshape(2, 3).requires_grad_()
    y = x * 1
    y[0].mul_(2)
    y[:, 1] = y[:, 0].detach() * 0 + 5
    y.square().sum().backward()
    want = [8 * v for v in mp(x)[:3]] + [2 * v for v in mp(x)[3:]]
    want[1] = want[4] = mpmath.mpf(0)
    assert off(x.grad, want) <= 4


INDEXING = {
    "int": lambda t: t[1],
    "list": lambda t: t[[0, 1, 0]],
    "two": lambda t: t[torch.tensor([0, 1]), :, torch.tensor([2, 3])],
    "mask": lambda t: t[t > 0],
    "row mask": lambda t: t[torch.tensor([True, False])],
    "none": lambda t: t[:, None],
    "index_select": lambda t: t.index_select(-1, torch.tensor([3, 0, 3])),
    "gather": lambda t: t.gather(1, torch.tensor([[[0, 2, 1]]] * 2)),
    "take_along": lambda t: torch.take_along_dim(t, t.argsort(-2), -2),
    "masked_select": lambda t: t.masked_select(t < 0),
    "cat": lambda t: torch.cat([t, t * 2, t.value() if isinstance(t, MCTensor) else t], -1),
    "stack": lambda t: torch.stack([t, t], -1),
    "hstack": lambda t: torch.hstack([t, t]),
    "where": lambda t: torch.where(t > 0, t, 0.5),
    "where too": lambda t: torch.where(t > 0, 2, t),
    "masked_fill": lambda t: t.masked_fill(t > 0, -1),
    "flip": lambda t: t.flip(0, -1),
    "roll": lambda t: t.roll(1, -1),
    "roll all": lambda t: t.roll(5),
    "tril": lambda t: t.tril(-1),
    "triu": lambda t: t.triu(1),
    "repeat": lambda t: t.repeat(2, 1, 2),
    "repeat_interleave": lambda t: t.repeat_interleave(2, 1),
    "pad": lambda t: torch.nn.functional.pad(t, (1, 2, 0, 1), value=7),
    "scatter": lambda t: t.scatter(1, torch.tensor([[[0, 2, 1]]] * 2), t[:, :1, :3] * 3),
    "scatter value": lambda t: t.scatter(1, torch.tensor([[[0, 2, 1]]] * 2), 9.0),
    "scatter_add": lambda t: t.scatter_add(1, torch.tensor([[[0, 2], [0, 1]]] * 2), t[:, :2, :2] * 3),
    "index_add": lambda t: t.index_add(1, torch.tensor([0, 0, 2]), t, alpha=2),
    "index_put": lambda t: t.index_put((torch.tensor([0, 1]),), t[0] * 2),
    "index_put add": lambda t: t.index_put((torch.tensor([1, 1]), torch.tensor([0, 0])), t[0, :2], accumulate=True),
    "outer": lambda t: torch.outer(t[0, 0], t[1, 1]),
    "kron": lambda t: t[0, :, None] * t[1, None],
    "meshgrid": lambda t: torch.meshgrid(t[0, 0], t[1, 1], indexing="ij")[0],
    "diag": lambda t: torch.diag_embed(t[0]),
    "cdist": lambda t: (t[:, :, None] - t[:, None]).square().sum(-1),
    "squeeze": lambda t: t[:1].squeeze(),
    "atleast": lambda t: torch.atleast_3d(t[0, 0]),
    "tensordot": lambda t: torch.tensordot(t, t, ([1, 2], [1, 2])),
    "cumsum": lambda t: t.cumsum(-1),
    "trace": lambda t: t[0, :, :3].diagonal().sum(),
}


@pytest.mark.parametrize("name", INDEXING)
def test_entries_land_where_plain_tensors_have_them(name: str) -> None:
    f = INDEXING[name]
    x = MCTensor(torch.arange(24, dtype=F64).reshape(2, 3, 4).sub(11.5) / 8).requires_grad_()  # every result is exact
    plain = x.value().detach().requires_grad_()
    out, want = f(x), f(plain)
    assert torch.equal(out.value(), want) and out.shape == want.shape
    weight = torch.arange(1, want.numel() + 1, dtype=F64).reshape(want.shape)
    (out * weight).sum().backward()
    (want * weight).sum().backward()
    assert isinstance(x.grad, MCTensor) and torch.equal(x.grad.value(), plain.grad)
    if name in ("int", "list", "two", "flip", "gather", "repeat", "index_select", "stack", "roll", "tril", "unfold"):
        fine = f(x.detach() * MCTensor("1/3")).to_fractions()  # all components travel together
        third = (MCTensor(want.detach()) * MCTensor("1/3")).to_fractions()
        assert fine == third


def test_rows_that_meet_are_summed_to_the_last_bit() -> None:
    k = 1000
    index = torch.randint(0, 7, (k,), generator=torch.Generator().manual_seed(0))
    v = numbers(k, 2, F64, -1, 1)
    out = MCTensor(torch.zeros(7, dtype=F64)).index_add(0, index, v)
    rows = [[m for m, i in zip(mp(v), index.tolist(), strict=True) if i == j] for j in range(7)]
    assert off(out, [mpmath.fsum(r) for r in rows], [mpmath.fsum(map(abs, r)) for r in rows]) <= 16
    assert torch.equal(torch.zeros_like(out).scatter_add_(0, index, v), out)


def test_in_place_forms() -> None:
    x = numbers(4, 2, F64, 0.5, 2)
    before = x.components
    steps: list[tuple[str, Any]] = [
        ("add_", (1,)),
        ("mul_", (x.clone(),)),
        ("sqrt_", ()),
        ("exp_", ()),
        ("clamp_", (0, 2)),
        ("zero_", ()),
        ("fill_", (0.1,)),
        ("uniform_", ()),
        ("sub_", (1,)),
        ("div_", (3,)),
        ("neg_", ()),
        ("tanh_", ()),
        ("cumsum_", (0,)),
        ("addcmul_", (x.clone(), x.clone())),
        ("masked_fill_", (x > 0, 2)),
        ("copy_", (torch.ones(4),)),
    ]
    for name, args in steps:
        want = getattr(x.clone(), name[:-1])(*args) if name not in ("zero_", "fill_", "uniform_", "copy_") else None
        assert getattr(x, name)(*args) is x
        assert want is None or torch.equal(x, want)
    x[1:3] = MCTensor(["1/3", "2/3"])
    x[x == 1] = 0
    assert x.components.data_ptr() == before.data_ptr() and x.to_fractions()[0] == 0
    x += 1
    x[0] *= 2
    assert x.tolist()[0] == 2
    leaf = MCTensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        leaf.mul_(2)


def test_conversions() -> None:
    x = numbers(50, 2, F64, -3, 3)
    assert mp(x.to(F32).double()) == mp(x.to(F32)) and off(x.to(F32), mp(x)) <= 1
    assert off(x.half(), mp(x)) <= 1 and mp(x.float()) == mp(x.to(F64).float())
    assert mp(x.with_components(4)) == mp(x) and off(x.with_components(4).with_components(1), mp(x)) <= 1
    assert x.to(F64) is x and x.cpu() is x and x.type_as(x.float()).dtype == F32
    assert x.with_components(5).float().with_components(5).dtype == F32
    assert mp(MCTensor(x, 5, F32).double()) == mp(x)
    y = x.clone().requires_grad_()
    (y.float().with_components(3) * MCTensor("1/3", 3, F32)).sum().backward()
    assert y.grad.dtype == F64 and off(y.grad, [mpmath.mpf(1) / 3] * 50) <= 2.0**62
    assert x.bool().all() and torch.equal(x.int(), x.value().int())


# ------------------------------------------------------------------------------------------ autograd around them
def test_gradients_of_plain_operands_are_plain() -> None:
    w = torch.tensor([0.5, 2.0], requires_grad=True)
    x = MCTensor(["1/3", "0.1"], requires_grad=True)
    (w * x).sum().backward()
    assert type(w.grad) is torch.Tensor and w.grad.dtype == torch.float32
    assert torch.equal(w.grad, torch.tensor([1 / 3, 0.1])) and x.grad.tolist() == [0.5, 2.0]
    z = torch.tensor([0.3], dtype=F64, requires_grad=True)
    MCTensor(z).exp().value().sum().backward()
    assert torch.allclose(z.grad, z.detach().exp())
    c = x.detach().components.clone().requires_grad_()
    MCTensor.from_components(c).square().sum().backward()
    assert torch.equal(MCTensor.from_components(c.grad), 2 * x.detach())
    y = MCTensor(["1/3"], requires_grad=True)
    (y.components * torch.tensor([1.0, 0.0], dtype=F64)).sum().backward()
    assert y.grad.tolist() == [1.0]


def test_graph_tools() -> None:
    x = numbers(3, 2, F64, 0.5, 1).requires_grad_()
    hooked: list[Any] = []
    y = x.exp()
    y.register_hook(hooked.append)
    y.retain_grad()
    y.sum().backward()
    y = x.exp().sum()
    (g,) = torch.autograd.grad(y, x, MCTensor("1/3"))
    assert isinstance(hooked[0], MCTensor) and off(g, [mpmath.exp(v) / 3 for v in mp(x)]) <= 8
    with torch.no_grad():
        assert not (x * 2).requires_grad
    (x * x.detach()).sum().backward()
    assert x.grad.grad_fn is None and x.grad.shape == (3,)
    out = torch.utils.checkpoint.checkpoint(lambda t: t.tanh().square(), x, use_reentrant=False)
    out.sum().backward()


# ------------------------------------------------------------------------------------------ copies and files
def test_copies(tmp_path: Path) -> None:
    x = numbers(6, 3, F32, -1, 1).reshape(2, 3).requires_grad_()
    x.exp().sum().backward()
    y = copy.deepcopy(x)
    assert torch.equal(y, x) and y.requires_grad and torch.equal(y.grad, x.grad) and y.components is not x.components
    with torch.no_grad():
        y.zero_()
    assert x.abs().sum() > 0
    shared = copy.deepcopy([x, x])
    assert shared[0] is shared[1]
    buffer = io.BytesIO()
    torch.save(x, buffer)
    buffer.seek(0)
    with torch.serialization.safe_globals([hypgeo.mctensor.tensor._rebuild]):  # nothing else is called
        assert torch.equal(torch.load(buffer, weights_only=True), x)

    path = tmp_path / "x.safetensors"
    hypgeo.mctensor.save(path, x)
    assert torch.equal(hypgeo.mctensor.load(path), x)
    hypgeo.mctensor.save(path, {"a": x.T, "b": MCTensor("1/3", 8), "c": torch.arange(3)})
    back = hypgeo.mctensor.load(path)
    assert torch.equal(back["a"], x.T) and back["b"].n_components == 8 and torch.equal(back["c"], torch.arange(3))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "x.safetensors"
    hypgeo.mctensor.save(path, {"a": MCTensor(["0.1", "0.2"])})
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(ValueError, match="damaged or no safetensors file"):
        hypgeo.mctensor.load(path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match="damaged or no safetensors file"):
        hypgeo.mctensor.load(path)
    raw = bytearray(whole)
    raw[-1] ^= 0x40  # the second component grows past the first
    path.write_bytes(bytes(raw))
    with pytest.raises(ValueError, match=r"damaged: tensor 'a'.*(out of order|NaN|infinite)"):
        hypgeo.mctensor.load(path)
    save_file({"a": torch.zeros(2, 2)}, path)
    with pytest.raises(ValueError, match="does not say how many components"):
        hypgeo.mctensor.load(path)
    save_file({"a": torch.zeros(2, 3)}, path, metadata={"format": "hypgeo-multifloat", "components": '{"a": 2}'})
    with pytest.raises(ValueError, match="'a' should have 2 components"):
        hypgeo.mctensor.load(path)
    with pytest.raises(FileNotFoundError):
        hypgeo.mctensor.load(tmp_path / "none")


def test_row_sparse_gradients() -> None:
    values = numbers(6, 2, F64, -1, 1).reshape(3, 2)
    rows = MCRows(torch.tensor([4, 1, 4]), values.components, torch.Size((5, 2)))
    index, summed = rows.coalesce()
    assert index.tolist() == [1, 4] and torch.equal(summed, torch.stack([values[1], values[0] + values[2]]))
    both = rows + rows.detach().clone()
    assert isinstance(both, MCRows) and torch.equal(both.coalesce()[1], 2 * summed)
    dense = rows * 1
    assert type(dense) is MCTensor and torch.equal(dense[index], summed) and dense[0].tolist() == [0, 0]
    assert torch.equal(rows + torch.zeros(5, 2), dense)
    with pytest.raises(TypeError, match="does not change row-sparse gradients"):
        rows.mul_(2)
