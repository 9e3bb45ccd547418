"""Every op keeps the error bound recorded for it, on draws that the record has not seen.

``benchmarks/accuracy.json`` is written by ``benchmarks/accuracy.py --write``, which only ever tightens it.
"""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import hypgeo
from hypgeo.testing.measure import Exact, measure, verb, worst
from hypgeo.testing.reference import OPS
from hypgeo.testing.samples import Draw, Regime, regimes

RECORD = json.loads((Path(__file__).resolve().parents[1] / "benchmarks" / "accuracy.json").read_text())["bounds"]
DTYPES = {"float32": torch.float32, "float64": torch.float64}
PAIRS = [(model, op) for model in RECORD for op in RECORD[model]]


def contract(op: str, what: str) -> float:
    return 4 if what == "value" else 8 if (op, what) == ("dist", "grad") else 16


def broken(model: str, op: str, dtype: str, regime: Regime, dim: int, seed: object, what: Any) -> Iterator[str]:
    """What exceeds its bound in a regime, in words that reproduce it."""
    cls = getattr(hypgeo, model)
    manifold = cls(curvature=-float(torch.tensor(regime.c, dtype=DTYPES[dtype])))
    draw = Draw(manifold, dim, DTYPES[dtype], seed)
    samples = draw.many(2, regime.sample)
    if not samples:
        return
    truth = Exact(draw.reference, op, draw.tensors(OPS[op].kinds, samples))
    for w, found in measure(manifold, truth, what, cls).items():
        f, entry = worst(found), RECORD[model][op][w][dtype]
        if (f.flag or f.ulp > entry["bound"]) and regime.name not in entry.get("beyond", ()):
            args = ", ".join(str(a[f.at].tolist()) for a in truth.args)
            yield f"{model}.{op} {w}, {dtype}, {regime.name}: {f.ulp:.3g} ulp {f.flag} at {args}"


@pytest.mark.parametrize("model, op", PAIRS)
def test_bounds_hold(model: str, op: str) -> None:
    lots = regimes(op)
    chosen = random.Random(f"{model} {op}").sample(lots, min(len(lots), 9))
    bad = []
    for k, regime in enumerate(chosen):
        dtype = ("float64", "float32")[k % 3 == 2]
        what = ("value", "grad", "c") if k < 3 else ("value", "grad") if k < 6 else ("value",)
        bad += broken(model, op, dtype, regime, (3, 1, 8)[k % 3], (model, op, k), what)
    assert not bad, "\n".join(bad)


@given(st.sampled_from(PAIRS), st.sampled_from(list(DTYPES)), st.integers(1, 6), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, phases=(Phase.reuse, Phase.generate))  # a seed has no simpler seed
def test_bounds_hold_wherever_hypothesis_looks(pair: tuple[str, str], dtype: str, dim: int, seed: int) -> None:
    regime = random.Random(seed).choice(regimes(pair[1]))
    bad = list(broken(*pair, dtype, regime, dim, seed, ("value", "grad")))
    assert not bad, "\n".join(bad)


def test_the_record_is_complete_and_within_the_contract() -> None:
    for model in ("PoincareBall", "Lorentz", "HalfSpace"):
        for op in OPS:
            if op == f"to_{model}" or verb(getattr(hypgeo, model)(), op) is None:
                continue
            for what in ("value", "grad", "c"):
                for dtype in DTYPES:
                    entry = RECORD[model][op][what][dtype]
                    assert entry["bound"] <= contract(op, what)


@pytest.mark.parametrize("file", ("poincare", "lorentz", "halfspace", "convert"))
def test_docstrings_state_no_less_than_what_is_recorded(file: str) -> None:
    """ "within 4 ulp" in an op's docstring is a bound as recorded, or a looser one."""
    model = {"poincare": "PoincareBall", "lorentz": "Lorentz", "halfspace": "HalfSpace"}.get(file)
    module = __import__(f"hypgeo.ops.{file}", fromlist=["*"])
    for name, op in vars(module).items():
        said = re.search(r"within (\d+) ulp", getattr(op, "__doc__", None) or "")
        if said and model and name in RECORD[model]:
            for entry in RECORD[model][name]["value"].values():
                assert int(said[1]) >= entry["worst"]
