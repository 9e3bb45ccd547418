"""What a GPU's thread computes on numbers of two doubles (csrc/multifloat/pair.h), on the host against exact ones."""

import ctypes
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from hypgeo.ops import multifloat
from hypgeo.testing.multifloat import samples, worst

HERE = Path(__file__).resolve().parent
OPS = multifloat.ON_GPU
Evaluate = Callable[..., Tensor]


@pytest.fixture(scope="module", params=[[], ["-mavx2", "-mfma"]], ids=["split", "fused"])
def evaluate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    library = tmp_path_factory.mktemp("pair") / "pair.so"
    include = f"-I{HERE.parents[1] / 'hypgeo' / 'csrc'}"
    flags = ["-O2", "-std=c++20", "-ffp-contract=off", "-fPIC", "-shared", *request.param, include]
    subprocess.run(["c++", *flags, str(HERE / "pair.cpp"), "-o", str(library)], check=True)
    entry = ctypes.CDLL(str(library)).evaluate

    def call(name: str, *inputs: Tensor) -> Tensor:
        x, y = (t.contiguous() for t in (inputs[0], inputs[-1]))
        out = torch.empty_like(x)
        data = [ctypes.c_void_p(t.data_ptr()) for t in (x, y, out)]
        entry(multifloat._CODES[name], ctypes.c_int64(x.numel() // 2), *data)
        return out

    return call


@pytest.mark.parametrize("name", OPS)
def test_within_the_bounds_at_all_exponents(evaluate: Evaluate, name: str) -> None:
    inputs = samples(name, torch.float64, 2, 4000, seed=7)
    out = evaluate(name, *inputs)
    assert worst(name, inputs, out) <= 1
    hi, lo = out.unbind(-1)
    some = hi.isfinite()
    assert torch.equal((hi + lo)[some], hi[some])  # the first is the rounding of the whole


@pytest.mark.parametrize("name", OPS)
def test_specials_are_those_of_floats(evaluate: Evaluate, name: str) -> None:
    special = [0.0, -0.0, 1.0, -2.5, math.inf, -math.inf, math.nan]
    lead = torch.cartesian_prod(*[torch.tensor(special, dtype=torch.float64)] * 2)
    x, y = (torch.stack((t, torch.zeros_like(t)), -1) for t in lead.unbind(-1))
    one = name in ("reciprocal", "sqrt")
    want = getattr(torch, name)(lead[:, 0]) if one else getattr(torch, name)(*lead.unbind(-1))
    got = evaluate(name, *((x,) if one else (x, y)))
    plain = want.isnan() | want.isinf() | (want == 0)
    torch.testing.assert_close(got[plain, 0], want[plain], rtol=0, atol=0, equal_nan=True)
    assert not got[plain, 1].any()


def test_operands_come_to_the_kernel_in_one_shape(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to the CUDA kernels, with the host's arithmetic in their place."""

    def pairs(x: Tensor, y: Tensor, code: int) -> Tensor:
        assert x.shape == y.shape and x.is_contiguous() and y.is_contiguous()
        return evaluate(next(name for name in OPS if multifloat._CODES[name] == code), x, y)

    def product(a: Tensor, b: Tensor) -> Tensor:
        assert a.is_contiguous() and b.is_contiguous() and len(a) == len(b) and a.shape[2] == b.shape[1]
        return multifloat.matmul(a, b)

    monkeypatch.setattr(torch.ops.hypgeo, "multifloat_pairs", SimpleNamespace(default=pairs), raising=False)
    monkeypatch.setattr(torch.ops.hypgeo, "multifloat_pairs_matmul", SimpleNamespace(default=product), raising=False)
    x = multifloat.from_float(torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(4, 3), 2)
    y = multifloat.from_float(torch.tensor([[0.1], [0.7], [1e300], [3.0]], dtype=torch.float64), 2)
    for name in ("add", "mul", "div"):
        got = multifloat._on_gpu(name, x, y)
        assert got is not None and torch.equal(got, getattr(multifloat, name)(x, y))
    got = multifloat._on_gpu("matmul", x.expand(5, 4, 3, 2), x.transpose(0, 1))
    assert got is not None and torch.equal(got, multifloat.matmul(x.expand(5, 4, 3, 2), x.transpose(0, 1)))
    assert multifloat._on_gpu("add", x.float(), x.float()) is None
    assert multifloat._on_gpu("add", x, 1.0) is None
