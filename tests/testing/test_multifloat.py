"""The instruments for multi-component floats see what they are for."""

import math
from fractions import Fraction

import torch

from hypgeo.testing import multifloat as exact

WIDE = torch.float64


def test_rounding_is_that_of_the_hardware() -> None:
    torch.manual_seed(0)
    x = torch.randn(2000, dtype=WIDE) * 2.0 ** torch.randint(-160, 127, (2000,)).double()
    assert [exact.rounded(Fraction(v), torch.float32) for v in x.tolist()] == x.float().tolist()
    x = (torch.randn(2000) * 2.0 ** torch.randint(-26, 17, (2000,))).clamp(-1e5, 1e5)
    assert [exact.rounded(Fraction(v), torch.float16) for v in x.tolist()] == x.half().tolist()
    assert exact.rounded(Fraction(2) ** 1024 - 1, WIDE) == math.inf


def test_canonical_form_is_recognised() -> None:
    half = 2.0**-53
    assert exact.is_canonical([1.0, half, 0.0], WIDE) and exact.is_canonical([1.0, half, -(2.0**-120)], WIDE)
    assert not exact.is_canonical([1.0, half, 2.0**-120], WIDE)  # 1 + 2^-52 is nearer
    assert not exact.is_canonical([half, 1.0], WIDE) and not exact.is_canonical([1.0, 0.0, 2.0**-70], WIDE)
    assert exact.is_canonical([math.inf, 0.0], WIDE) and not exact.is_canonical([math.inf, 1.0], WIDE)


def test_faults_are_measured() -> None:
    for name in ("log", "add", "sin"):
        inputs = exact.samples(name, WIDE, 2, 40, seed=0)
        want = [exact.reference(name, *row) for row in zip(*map(exact.values, inputs), strict=True)]
        rows = [exact.components(w if isinstance(w, Fraction) else exact.exactly(w), WIDE, 2) for w in want]
        good = torch.tensor(rows, dtype=WIDE)
        assert exact.worst(name, inputs, good) < 1
        first = good * torch.tensor([1.0, 0.0], dtype=WIDE)  # the leading component alone
        assert exact.worst(name, inputs, first) > 2**40
        assert exact.worst(name, inputs, good.flip(-1)) == math.inf


def test_samples_stay_inside_the_domain_and_come_again() -> None:
    for dtype in (torch.float16, torch.float32, WIDE):
        for name in exact.ONE + exact.TWO:
            inputs = exact.samples(name, dtype, 3, 12, seed=0)
            assert all(map(torch.equal, inputs, exact.samples(name, dtype, 3, 12, seed=0)))
            for x in inputs:
                assert x.isfinite().all() and all(exact.is_canonical(r, dtype) for r in x.to(WIDE).tolist())
