"""Deep hyperbolic networks: do activations keep their radius, does training stay finite, what does batch norm give?

    python benchmarks/depth.py                     everything, about a quarter of an hour
    python benchmarks/depth.py --only radius       or finite, norm
    python benchmarks/depth.py --write             and depth.md and depth.png beside this file

radius: points at distance 1 go through 20 fresh layers 64 wide; the median distance from the origin after each.
finite: networks of 1 to 8 graph convolutions with learnt curvature and decoder, in float32, 10 steps of Adam on a
random graph for 100 seeds and learning rates 1e-4 to 1e-1: how many runs met a NaN or an infinity in loss, gradient or
weight.
norm: eight linear layers on the classes of the Airport data, with and without batch normalisation, flat and hyperbolic:
training loss and validation accuracy over epochs, the mean of five seeds.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from hypgeo import Euclidean, Lorentz, PoincareBall, data
from hypgeo import nn as hnn
from hypgeo.manifolds import Manifold
from hypgeo.nn.graph import HGCNConv

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

FOLDER = Path(__file__).parent
DEPTHS = (1, 2, 5, 10, 20)


def radius(seeds: int = 20, width: int = 64) -> dict[str, list[float]]:
    """Median distance from the origin after 1 to 20 layers."""
    found: dict[str, list[float]] = {}
    for kind, relu in itertools.product(("mobius", "poincare", "lorentz"), (False, True)):
        if kind != "mobius" and relu:
            continue  # these layers are nonlinear themselves and are used without one
        after = torch.zeros(seeds, max(DEPTHS))
        for seed in range(seeds):
            torch.manual_seed(seed)
            space = PoincareBall()
            x = space.from_normal_coordinates(F.normalize(torch.randn(256, width), dim=-1))
            for depth in range(max(DEPTHS)):
                x = hnn.Linear(width, width, space, kind=kind, gain=2**0.5 if relu else 1.0)(x)
                x = hnn.Activation(space)(x) if relu else x
                after[seed, depth] = space.dist0(x).median().item()
        found[kind + (", ReLU" if relu else "")] = after.median(0).values.tolist()
    return found


def finite(seeds: int = 100, steps: int = 10) -> tuple[int, int]:
    """Runs, and those among them that met a NaN or an infinity."""
    runs, broken = 0, 0
    g = torch.Generator().manual_seed(0)
    edges, labels = torch.randint(0, 60, (2, 180), generator=g), torch.randint(0, 2, (180,), generator=g).float()
    cases = list(itertools.product(range(seeds), (1e-4, 1e-3, 1e-2, 1e-1), range(1, 9)))
    for seed, lr, depth in tqdm(cases, desc="finite", disable=None):
        torch.manual_seed(seed)
        spaces: list[Manifold] = [(PoincareBall, Lorentz)[seed % 2](learnable=True) for _ in range(depth)]
        net = nn.ModuleList()
        for i, space in enumerate(spaces):
            net.append(HGCNConv(8, 8, space, in_manifold=spaces[i - 1] if i else Euclidean(), cached=True))
        decoder = hnn.FermiDiracDecoder(spaces[-1], learnable=True)
        both = nn.ModuleList([net, decoder])
        adam = torch.optim.Adam(both.parameters(), lr=lr)
        features, ok = torch.randn(60, 8), True
        for _ in range(steps):
            x = features
            for conv in net:
                x = conv(x, edges)
            loss = F.binary_cross_entropy_with_logits(decoder(x, edges), labels)
            adam.zero_grad()
            loss.backward()
            adam.step()
            values = [loss, *(p for p in both.parameters()), *(p.grad for p in both.parameters() if p.grad is not None)]
            ok = ok and all(bool(v.isfinite().all()) for v in values)
        runs, broken = runs + 1, broken + (not ok)
    return runs, broken


def norm(seeds: int = 5, epochs: int = 150) -> dict[str, tuple[list[float], list[float]]]:
    """Training loss and validation accuracy by epoch, means over seeds."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for hyperbolic, batch_norm in itertools.product((False, True), repeat=2):
        total = torch.zeros(2, epochs)
        name = ("ball" if hyperbolic else "flat") + (", batch norm" if batch_norm else "")
        for seed in tqdm(range(seeds), desc=name, disable=None):
            d = data.Airport(seed=seed)[0]
            x = (d.x - d.x.mean(0)) / d.x.std(0)
            torch.manual_seed(seed)
            space: Manifold = PoincareBall() if hyperbolic else Euclidean()
            net: list[nn.Module] = [hnn.ToManifold(space)]
            for i in range(8):
                net.append(hnn.Linear(x.shape[1] if i == 0 else 16, 16, space, gain=2**0.5))
                net += [hnn.BatchNorm(16, space)] if batch_norm else []
                net.append(hnn.Activation(space))
            model = hnn.Sequential(*net, hnn.Hyperplanes(16, int(d.y.max()) + 1, space))
            adam = torch.optim.Adam(model.parameters(), lr=0.01)
            for epoch in range(epochs):
                model.train()
                loss = F.cross_entropy(model(x)[d.train_mask], d.y[d.train_mask])
                adam.zero_grad()
                loss.backward()
                adam.step()
                model.eval()
                with torch.no_grad():
                    right = (model(x).argmax(1) == d.y)[d.val_mask].float().mean()
                    total[:, epoch] += torch.stack((loss, right)) / seeds
        found[name] = total[0].tolist(), total[1].tolist()
    return found


def picture(found: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), constrained_layout=True)
    for name, values in found["radius"].items():
        axes[0].plot(range(1, len(values) + 1), values, label=name)
    axes[0].set(
        xlabel="layers", ylabel="median distance from the origin", ylim=(0, None), title="Fresh layers, 64 wide"
    )
    for name, curves in found["norm"].items():
        style = "-" if "norm" in name else "--"
        for ax, values in zip(axes[1:], curves, strict=True):
            ax.plot(values, style, color="tab:red" if "ball" in name else "tab:gray", label=name)
    axes[1].set(xlabel="epoch", ylabel="training loss", ylim=(0, None), title="Eight linear layers, Airport")
    axes[2].set(xlabel="epoch", ylabel="validation accuracy", title="Eight linear layers, Airport")
    for ax in axes:
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("radius", "finite", "norm"))
    parser.add_argument("--write", action="store_true", help="write benchmarks/depth.md and depth.png")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    text: list[str] = []
    if args.only in (None, "radius"):
        found["radius"] = radius()
        text += [
            "| median radius after | " + " | ".join(f"{d} layers" for d in DEPTHS) + " |",
            "|---" + "|--:" * len(DEPTHS) + "|",
        ]
        for name, values in found["radius"].items():
            text.append(f"| {name} | " + " | ".join(f"{values[d - 1]:.2f}" for d in DEPTHS) + " |")
    if args.only in (None, "finite"):
        runs, broken = finite()
        text += ["", f"Float32 training: {runs:,} runs, {broken} of them with a NaN or an infinity."]
    if args.only in (None, "norm"):
        found["norm"] = norm()
        text += [
            "",
            "| eight layers: training loss, validation accuracy after | 20 epochs | 60 epochs | 150 epochs |",
            "|---|--:|--:|--:|",
        ]
        for name, (loss, right) in found["norm"].items():
            cells = [f"{loss[e - 1]:.3f}, {100 * right[e - 1]:.1f} %" for e in (20, 60, 150)]
            text.append(f"| {name} | " + " | ".join(cells) + " |")
    print("\n".join(text))
    if args.write and args.only is None:
        head = "# Deep hyperbolic networks\n\nWritten by `python benchmarks/depth.py --write`.\n"
        (FOLDER / "depth.md").write_text(f"{head}Measured on {machine()}.\n\n" + "\n".join(text) + "\n")
        picture(found, FOLDER / "depth.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
