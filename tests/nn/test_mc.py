"""Layers, losses and optimisers of multi-component floats against the same in exact or far wider arithmetic."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mpmath
import pytest
import torch
from torch import nn

import hypgeo.mctensor
from hypgeo import MCTensor
from hypgeo.mctensor import MCRows
from hypgeo.nn import mc
from hypgeo.optim import MCSGD, MCAdam

F16, F32, F64 = torch.float16, torch.float32, torch.float64


@pytest.fixture(autouse=True)
def precisely() -> Iterator[None]:
    with mpmath.workprec(400):
        yield


def mp(x: MCTensor) -> list[Any]:
    return [
        mpmath.fsum(map(mpmath.mpf, row)) for row in x.detach().components.double().reshape(-1, x.n_components).tolist()
    ]


def gap(x: MCTensor, want: list[Any]) -> float:
    return max(float(abs(a - b)) for a, b in zip(mp(x), want, strict=True))


def test_layers_hold_parameters() -> None:
    torch.manual_seed(0)
    layer = mc.Linear(3, 2, components=3, dtype=F32)
    assert isinstance(layer.weight, nn.Parameter) and isinstance(layer.weight, MCTensor)
    assert [p.shape for p in layer.parameters()] == [(2, 3), (2,)] and layer.weight.n_components == 3
    assert 0 < layer.weight.abs().max().item() <= 3**-0.5
    x = torch.randn(5, 3)
    out = layer(x)
    assert isinstance(out, MCTensor) and torch.allclose(out.value(), x @ layer.weight.value().T + layer.bias.value())
    assert mc.Linear(3, 2, bias=False).bias is None and "components=2" in repr(mc.Linear(3, 2))

    model = nn.Sequential(layer, nn.Tanh(), mc.Linear(2, 1, components=3, dtype=F32))
    model(x).sum().backward()
    assert all(isinstance(p.grad, MCTensor) for p in model.parameters())
    twin = copy.deepcopy(model)
    assert twin[0].weight.requires_grad and torch.equal(twin(x), model(x))
    wide = copy.deepcopy(model).double()
    assert wide[0].weight.dtype == F64 and isinstance(wide[0].weight, nn.Parameter)
    assert torch.equal(wide[0].weight.value(), layer.weight.value().double())


def test_state_goes_through_a_file(tmp_path: Path) -> None:
    model = nn.Sequential(mc.Linear(3, 2), mc.Linear(2, 1))
    with torch.no_grad():
        model[0].weight.div_(3)
    hypgeo.mctensor.save(tmp_path / "m.safetensors", model.state_dict())
    other = nn.Sequential(mc.Linear(3, 2), mc.Linear(2, 1))
    other.load_state_dict(hypgeo.mctensor.load(tmp_path / "m.safetensors"))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(RuntimeError, match="do not mix"):
        nn.Sequential(mc.Linear(3, 2, 3), mc.Linear(2, 1, 3)).load_state_dict(model.state_dict())


def test_losses_are_exact_far_out() -> None:
    x = MCTensor([["40", "-60"], ["-3", "0.1"]]).requires_grad_()
    t = torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=F64)
    loss = mc.binary_cross_entropy_with_logits(x, t, "sum")
    signed = [-40, -60, 3, -mp(x)[3]]
    assert abs(mp(loss)[0] / mpmath.fsum([mpmath.log1p(mpmath.exp(s)) for s in signed]) - 1) < 1e-31
    loss.backward()
    want = [
        -1 / (1 + mpmath.exp(40)),
        1 / (1 + mpmath.exp(60)),
        -1 / (1 + mpmath.exp(-3)),
        -1 / (1 + mpmath.exp(mp(x)[3])),
    ]
    assert all(abs(g / w - 1) < 1e-31 for g, w in zip(mp(x.grad), want, strict=True))
    soft = mc.binary_cross_entropy_with_logits(x.detach(), torch.full((2, 2), 0.25), "none")
    v = mp(x)[2]
    assert abs(mp(soft)[2] - (mpmath.log1p(mpmath.exp(v)) - v / 4)) < 1e-30

    p = [[mpmath.exp(v) / (mpmath.exp(a) + mpmath.exp(b)) for v in (a, b)] for a, b in (mp(x)[:2], mp(x)[2:])]
    logs = [[mpmath.log(v) for v in row] for row in p]
    assert gap(mc.cross_entropy(x, torch.tensor([1, 0])), [-(logs[0][1] + logs[1][0]) / 2]) < 1e-29
    assert (
        gap(mc.cross_entropy(x, torch.tensor([[0.5, 0.5], [0.0, 1.0]]), "none"), [-sum(logs[0]) / 2, -logs[1][1]])
        < 1e-29
    )
    assert (
        gap(
            mc.mse_loss(x, t), [mpmath.fsum((a - b) ** 2 for a, b in zip(mp(x), t.flatten().tolist(), strict=True)) / 4]
        )
        < 1e-28
    )
    with pytest.raises(ValueError, match="one shape"):
        mc.mse_loss(x, torch.zeros(2))
    with pytest.raises(ValueError, match="one shape"):
        mc.binary_cross_entropy_with_logits(x, torch.zeros(2))
    with pytest.raises(ValueError, match="mean, sum or none, got 'avg'"):
        mc.mse_loss(x, t, "avg")  # type: ignore[arg-type]


@pytest.mark.parametrize("sparse", [False, True])
def test_embeddings(sparse: bool) -> None:
    table = mc.Embedding(5, 2, components=3, padding_idx=-1, sparse=sparse, dtype=F64)
    index = torch.tensor([[1, 1, 4], [3, 1, 4]])
    out = table(index)
    assert out.shape == (2, 3, 2) and torch.equal(out[0, 0], table.weight[1]) and not out[0, 2].bool().any()
    ((out * MCTensor("1/3", 3)).sum() + table(torch.tensor([1])).sum()).backward()
    grad = table.weight.grad
    assert isinstance(grad, MCRows) == sparse
    dense = grad * 1
    assert gap(dense, [0, 0, 2, 2, 0, 0, mpmath.mpf(1) / 3, mpmath.mpf(1) / 3, 0, 0]) < 1e-47
    with pytest.raises(ValueError, match="one of 5 rows, got 5"):
        mc.Embedding(5, 2, padding_idx=5)


def reference_adam(p: Any, grads: list[Any], lr: Any, a: Any, b: Any, eps: Any) -> Any:
    m = v = mpmath.mpf(0)
    for t, g in enumerate(grads, 1):
        m, v = a * m + (1 - a) * g, b * v + (1 - b) * g * g
        p -= lr * (m / (1 - a**t)) / (mpmath.sqrt(v / (1 - b**t)) + eps)
    return p


@pytest.mark.parametrize("n", [2, 3])
def test_steps_are_exact_to_n_components(n: int) -> None:
    f = mpmath.mpf
    start, c = MCTensor(["1/3", "-2"], n), MCTensor(["0.7", "1/7"], n)

    def gradients(p: MCTensor, optimizer: torch.optim.Optimizer, steps: int) -> list[list[Any]]:
        seen = []
        for _ in range(steps):
            optimizer.zero_grad()
            (c * p.square()).sum().backward()
            seen.append(mp(p.grad))
            optimizer.step()
        return seen

    p = start.clone().requires_grad_()
    seen = gradients(p, MCAdam([p], lr=0.1), 5)
    for i in range(2):
        want = reference_adam(mp(start)[i], [g[i] for g in seen], f(0.1), f(0.9), f(0.999), f(1e-8))
        assert abs(mp(p)[i] - want) < f(2) ** (6 - 53 * n)
    for nesterov in (False, True):
        p = start.clone().requires_grad_()
        seen = gradients(p, MCSGD([p], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=nesterov), 5)
        for i in range(2):
            x, m = mp(start)[i], None
            for row in seen:
                g = row[i] + f(0.01) * x
                m = g if m is None else f(0.9) * m + g
                x -= f(0.1) * (g + f(0.9) * m if nesterov else m)
            assert abs(mp(p)[i] - x) < f(2) ** (6 - 53 * n)


@pytest.mark.parametrize("make", [lambda p: MCSGD(p, 0.5, momentum=0.5), lambda p: MCAdam(p, 0.1, amsgrad=True)])
def test_optimisers_do_what_torchs_do(make: Any) -> None:
    torch.manual_seed(1)
    plain = nn.Embedding(6, 2, sparse=False, dtype=F64)
    table = mc.Embedding(6, 2, sparse=True, dtype=F64)
    with torch.no_grad():
        table.weight.copy_(plain.weight)
    own = make(table.parameters())
    theirs = (torch.optim.SGD if isinstance(own, MCSGD) else torch.optim.Adam)(
        plain.parameters(),
        **{k: v for k, v in own.defaults.items() if k in ("lr", "momentum", "betas", "eps", "amsgrad")},
    )
    index = torch.tensor([0, 1, 2, 3, 4, 5, 1, 1])  # every row, so that dense and row-sparse steps agree
    for _ in range(4):
        for model, optimizer in ((plain, theirs), (table, own)):
            optimizer.zero_grad()
            loss = (model(index) - 0.3).square().sum()
            (loss.value() if isinstance(loss, MCTensor) else loss).backward()
            optimizer.step()
    assert torch.allclose(table.weight.value(), plain.weight, rtol=1e-12)
    state = copy.deepcopy(own.state_dict())
    again = make(table.parameters())
    again.load_state_dict(state)
    name = "momentum_buffer" if isinstance(own, MCSGD) else "exp_avg"
    assert torch.equal(again.state[table.weight][name], own.state[table.weight][name])
    before = table.weight.detach().clone()
    own.zero_grad()
    table(torch.tensor([2])).sum().backward()
    own.step()
    moved = (table.weight != before).any(-1)
    assert moved.tolist() == [False, False, True, False, False, False]


def test_optimisers_say_what_they_take() -> None:
    with pytest.raises(TypeError, match="MCTensor parameters, got a Parameter"):
        MCSGD(nn.Linear(2, 2).parameters())
    with pytest.raises(ValueError, match="lr must not be negative, got -1"):
        MCAdam(mc.Linear(2, 2).parameters(), lr=-1)
    with pytest.raises(ValueError, match="betas"):
        MCAdam(mc.Linear(2, 2).parameters(), betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="nesterov needs a momentum"):
        MCSGD(mc.Linear(2, 2).parameters(), nesterov=True)


def test_torchs_own_optimisers_work_too() -> None:
    layer = mc.Linear(2, 1, dtype=F64)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    x, y = torch.randn(8, 2, dtype=F64), torch.randn(8, 1, dtype=F64)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = mc.mse_loss(layer(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
