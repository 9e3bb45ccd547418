"""Half-precision training that multi-component floats rescue: what plain floats and MCTensors reach, and how fast.

    python benchmarks/mc_training.py            a regression, a logistic regression, a network of two hidden layers
    python benchmarks/mc_training.py --write    and mc_training.md beside this file

The tasks are those of T. Yu, W. Guo, J. C. Li, T. Yuan, C. De Sa, "MCTensor: A High-Precision Deep Learning Library
with Multi-Component Floating-Point", 2022, whose figures stand beside ours: a linear regression of 5 random samples of
10 numbers (learning rate 0.04, 2,000 steps), and the breast-cancer data set of scikit-learn, standardised, by logistic
regression (0.003, 2,000 steps) and by a 30-128-64-1 network with ReLU (0.007, 900 steps).  All is full-batch gradient
descent without momentum.  Losses are measured in float64, of the parameters' exact values, on the exact data; the
reference trained on a split of the breast-cancer data that is not on record, we on all 569 rows, so that its losses
compare only with its own.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from hypgeo import MCTensor
from hypgeo.nn import mc
from hypgeo.optim import MCSGD

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

FOLDER = Path(__file__).parent
F16, F32, F64 = torch.float16, torch.float32, torch.float64
KINDS: dict[str, tuple[torch.dtype, int | None]] = {  # dtype, components of an MCTensor
    "float16": (F16, None),
    "float32": (F32, None),
    "float64": (F64, None),
    "MC float16, N = 1": (F16, 1),
    "MC float16, N = 2": (F16, 2),
    "MC float16, N = 3": (F16, 3),
}
# what the reference printed: the loss, and seconds where they are on record
REFERENCE = {
    "regression": {
        "float16": "5.1e-4",
        "float32": "8.3e-12",
        "float64": "2.5e-29",
        "MC float16, N = 1": "6.2e-4",
        "MC float16, N = 2": "1.97e-6",
        "MC float16, N = 3": "1.97e-6",
    },
    "logistic": {"float16": ".13652", "float32": ".114542, 9 s", "MC float16, N = 2": ".114543, 280-670 s"},
    "network": {"float16": ".13605", "float32": ".123275, 4 s", "MC float16, N = 2": ".123287, 430-880 s"},
}


def layers(widths: list[int], dtype: torch.dtype, components: int | None) -> list[nn.Module]:
    if components is None:
        return [nn.Linear(i, o, dtype=dtype) for i, o in itertools.pairwise(widths)]
    return [mc.Linear(i, o, components, dtype=dtype) for i, o in itertools.pairwise(widths)]


class Network(nn.Module):
    """Linear layers with ReLU between."""

    def __init__(self, widths: list[int], dtype: torch.dtype, components: int | None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers(widths, dtype, components))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x).squeeze(-1)

    def in_float64(self) -> Network:
        """The same network, its parameters' exact values rounded to float64."""
        twin = Network([self.layers[0].in_features, *(l.out_features for l in self.layers)], F64, None)
        with torch.no_grad():
            for theirs, ours in zip(twin.parameters(), self.parameters(), strict=True):
                wide = ours.detach().double()
                theirs.copy_(wide.value() if isinstance(wide, MCTensor) else wide)
        return twin


def squares(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().mean()


def logits(x: Tensor, y: Tensor) -> Tensor:
    f: Callable[..., Tensor] = binary_cross_entropy_with_logits
    return (mc.binary_cross_entropy_with_logits if isinstance(x, MCTensor) else f)(x, y)


def regression() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(5, 10, dtype=F64, generator=g).half().double()
    return x, x @ torch.randn(10, dtype=F64, generator=g)


def cancer() -> tuple[Tensor, Tensor]:
    data = load_breast_cancer()
    x = torch.tensor(data.data)
    return (x - x.mean(0)) / x.std(0, unbiased=False), torch.tensor(data.target, dtype=F64)


TASKS: dict[str, tuple[str, Callable[[], tuple[Tensor, Tensor]], list[int], Any, float, int, str]] = {
    "regression": ("linear regression", regression, [10, 1], squares, 0.04, 2000, "mean squared error"),
    "logistic": ("breast cancer, logistic regression", cancer, [30, 1], logits, 3e-3, 2000, "loss"),
    "network": ("breast cancer, 30-128-64-1", cancer, [30, 128, 64, 1], logits, 7e-3, 900, "loss"),
}


def train(task: str, kind: str) -> tuple[float, float]:
    """Loss in float64 and seconds."""
    _, data, widths, loss, rate, steps, _ = TASKS[task]
    dtype, components = KINDS[kind]
    exact_x, exact_y = data()
    torch.manual_seed(0)
    start = Network(widths, F16, None)  # one start for all: float16 numbers
    model = Network(widths, dtype, components)
    with torch.no_grad():
        for ours, first in zip(model.parameters(), start.parameters(), strict=True):
            ours.copy_(first)
    if components is None:
        x, y = exact_x.to(dtype), exact_y.to(dtype)
        optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), rate)
    else:
        x, y = MCTensor(exact_x, components, dtype), MCTensor(exact_y, components, dtype)
        optimizer = MCSGD(model.parameters(), rate)
    begun = time.perf_counter()
    for _ in tqdm(range(steps), desc=f"{task}, {kind}", leave=False):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    seconds = time.perf_counter() - begun
    with torch.no_grad():
        return float(loss(model.in_float64()(exact_x), exact_y)), seconds


def report(results: dict[tuple[str, str], tuple[float, float]]) -> Iterable[str]:
    for task in dict.fromkeys(task for task, _ in results):
        title, *_, steps, what = TASKS[task]
        yield f"## {title}, {steps:,} steps\n"
        yield f"| numbers | {what} | seconds | reference |"
        yield "|---|---|---|---|"
        for kind in KINDS:
            if (task, kind) in results:
                loss, seconds = results[task, kind]
                text = f"{loss:.1e}" if task == "regression" else f"{loss:.6f}"
                yield f"| {kind} | {text} | {seconds:.1f} | {REFERENCE[task].get(kind, '')} |"
        yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write mc_training.md beside this file")
    parser.add_argument("--task", choices=TASKS, action="append", help="only these")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = {(task, kind): train(task, kind) for task in args.task or TASKS for kind in KINDS}
    lines = [
        "# Training in multi-component half precision\n",
        "Full-batch gradient descent; losses in float64.  `benchmarks/mc_training.py` says what is trained on what.",
        f"{machine()}.\n",
        *report(results),
    ]
    print("\n".join(lines))
    if args.write:
        (FOLDER / "mc_training.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
