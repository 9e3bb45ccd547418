"""What a hyperbolic graph convolution costs beside PyG's, in one interleaved run.

    python benchmarks/layers.py            Cora's size and a random graph of 100,000 nodes and 2,000,000 edges
    python benchmarks/layers.py --write    and layers.md beside this file

Time is forward and backward of one layer, the least of several rounds in which the layers take turns; memory is what a
process grows by at its peak, input and edges included, each layer in a process of its own.  Weights learn; the input
does so where the layer is an inner one (16 to 16 channels), and is data where it is the first (1,433 to 16).

Epochs are training steps of two layers 16 wide with learnt curvature, loss and optimiser included, as graphs.py trains
them; beside them what the reference implementation (HazyResearch/hgcn, the commands of its README, one thread, torch
2.13) was once measured at on a machine of this kind.  They want the data sets: HYPGEO_DATA.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import graphs
import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GCNConv
from tqdm import tqdm

from hypgeo import Euclidean, Lorentz, PoincareBall
from hypgeo.manifolds import Manifold
from hypgeo.nn.graph import HGATConv, HGCNConv

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

FOLDER = Path(__file__).parent
SPACES = "ball", "flat"
CASES = {  # nodes, edges, channels in and out, whether the input learns, rounds
    "Cora, first layer": (2_708, 10_556, 1_433, 16, False, 15),
    "Cora, inner layer": (2_708, 10_556, 16, 16, True, 30),
    "random graph, inner layer": (100_000, 2_000_000, 16, 16, True, 5),
}
BASE = "GCNConv"
EPOCHS: dict[str, tuple[str, str, dict[str, Any], float]] = {  # data, task, settings, epochs/s of the reference
    "Cora, classes": ("cora", "classes", {"dropout": 0.2, "weight_decay": 5e-4, "row_sum": True}, 20.9),
    "Cora, links": ("cora", "links", {"dropout": 0.5, "weight_decay": 1e-3, "row_sum": True}, 13.9),
    "Airport, classes": ("airport", "classes", {"standardize": True}, 77.1),
    "Airport, classes, attention": ("airport", "classes", {"standardize": True, "layers": "aa"}, 0.723),
    "Airport, links": ("airport", "links", {"standardize": True}, 24.3),
    "Disease, links": ("disease", "links", {}, 65.6),
}


def layers(channels: int, out: int) -> dict[str, tuple[nn.Module, Manifold]]:
    """Each layer with the manifold its input lies on."""
    ball, hyperboloid = PoincareBall(), Lorentz()
    made: dict[str, tuple[nn.Module, Manifold]] = {
        BASE: (GCNConv(channels, out), Euclidean()),
        "GCNConv, cached": (GCNConv(channels, out, cached=True), Euclidean()),
        "HGCNConv from features, ball": (HGCNConv(channels, out, ball, in_manifold=Euclidean()), Euclidean()),
        "HGCNConv, ball": (HGCNConv(channels, out, ball), ball),
        "HGCNConv, ball, cached": (HGCNConv(channels, out, ball, cached=True), ball),
        "HGCNConv, hyperboloid": (HGCNConv(channels, out, hyperboloid), hyperboloid),
        "GATConv": (GATConv(channels, out), Euclidean()),
        "HGATConv, ball": (HGATConv(channels, out, ball), ball),
    }
    for aggr in ("local", "midpoint", "frechet"):
        made[f"HGCNConv, ball, {aggr}"] = (HGCNConv(channels, out, ball, aggr=aggr), ball)
    return made


def step(case: str, name: str) -> Callable[[], None]:
    """Forward and backward of a layer."""
    nodes, edges, channels, out, learns, _ = CASES[case]
    torch.manual_seed(0)
    edge_index = torch.randint(0, nodes, (2, edges))
    layer, space = layers(channels, out)[name]
    torch.nn.init.normal_(layer.bias, std=0.01)  # as after a few steps
    x = space.from_normal_coordinates(0.1 * torch.randn(nodes, channels)).detach().requires_grad_(learns)
    width = layer(x, edge_index).shape[1]
    weight = torch.randn(nodes, width)

    def run() -> None:
        x.grad = None
        layer.zero_grad()
        loss: Tensor = (layer(x, edge_index) * weight).sum()
        loss.backward()

    return run


def times(case: str) -> dict[str, float]:
    """Milliseconds of every layer, the least of the rounds."""
    steps = {name: step(case, name) for name in layers(1, 1)}
    best = dict.fromkeys(steps, float("inf"))
    for _ in tqdm(range(CASES[case][-1]), desc=case, disable=None):
        for name, run in steps.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
    return best


def epochs(rounds: int = 20, steps: int = 10) -> list[str]:
    """Epochs a second, the best of rounds in which the hyperbolic network and its flat twin take turns."""
    lines = [
        "| two layers, 16 wide | hyperbolic, epochs/s | flat | reference | hyperbolic / reference |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, (dataset, predict, settings, reference) in EPOCHS.items():
        trained = {space: graphs.Run(dataset, predict, graphs.Settings(space=space, **settings), 0) for space in SPACES}
        best = dict.fromkeys(trained, 0.0)
        for _ in tqdm(range(rounds), desc=name, disable=None):
            for space, run in trained.items():
                start = time.perf_counter()
                for _ in range(steps):
                    run.epoch()
                best[space] = max(best[space], steps / (time.perf_counter() - start))
        ours, flat = (best[space] for space in SPACES)
        lines.append(f"| {name} | {ours:.0f} | {flat:.0f} | {reference:.3g} | {ours / reference:.2f} |")
    return lines


def memory(case: str, name: str) -> float:
    """MiB that a process grows by at its peak, input and edges included."""
    command = [sys.executable, __file__, "--peak", case, name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def high_water() -> float:
    """MiB of this process at its peak (Linux: getrusage would count what the parent held when it forked)."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak(case: str, name: str) -> None:
    step(list(CASES)[1], name)()  # what importing and a first run take
    before = high_water()
    step(case, name)()
    print(high_water() - before)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write benchmarks/layers.md")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    if args.peak:
        peak(*args.peak)
        return 0
    lines = ["| | " + " | ".join(f"{case}: ms | × {BASE}" for case in CASES) + " | peak MiB, random graph |"]
    lines.append("|---" + "|--:|--:" * len(CASES) + "|--:|")
    found = {case: times(case) for case in CASES}
    for name in layers(1, 1):
        cells = [f"{found[case][name]:.3g} | {found[case][name] / found[case][BASE]:.2f}" for case in CASES]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {memory(list(CASES)[-1], name):,.0f} |")
    lines += ["", *epochs()]
    print("\n".join(lines))
    if args.write:
        head = (
            "# What a graph convolution costs\n\n"
            f"Written by `python benchmarks/layers.py --write`, forward and backward, {args.threads} thread.\n"
            f"Measured on {machine()}.\n\n"
        )
        (FOLDER / "layers.md").write_text(head + "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
