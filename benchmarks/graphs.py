"""Graph networks, hyperbolic and flat, trained on the same splits: link prediction and node classification.

    python benchmarks/graphs.py disease-links                  every model of a task, 10 seeds
    python benchmarks/graphs.py cora-links --models hgcn gcn --seeds 3
    python benchmarks/graphs.py --write                        every task, and graphs.md beside this file; rows of
                                                               tasks and models that are left out stay there
    python benchmarks/graphs.py airport-links --tune 20        random search on validation, the same budget a model
    torchrun --nproc-per-node 2 benchmarks/graphs.py cora-classes --models hgcn --batch 512     several processes

A task is a TOML file in benchmarks/graphs: a data set, what to predict, and a table of settings a model (fields of
`Settings`).  Seed s draws the split (where it is not fixed), the weights and the negatives.  A link task holds out 5 %
of the edges for validation and 10 % for test, with as many pairs that are no edges; messages run along training edges
alone, and training negatives are pairs drawn anew each epoch from all that are no training edge.  The epoch with the
best validation score gives the test score; nothing else looks at test data.  Scores are kept in runs/ seed by seed, so
that a run that was killed goes on where it stopped, with the best weights of each (--save).

With --batch a step takes that many training nodes or edges and the sampled neighbourhoods around them (PyG's
NeighborLoader).  Under torchrun each process has its share of them, and gradients,
curvatures and the statistics of batch normalisation are those of all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torch_geometric.transforms as T
from safetensors.torch import save_file
from scipy.stats import rankdata
from torch import Tensor, distributed, nn
from torch_geometric import seed_everything
from torch_geometric.data import Data
from torch_geometric.loader import LinkNeighborLoader, NeighborLoader
from torch_geometric.nn import APPNP, GATConv, GCNConv
from torch_geometric.utils import to_undirected
from tqdm import tqdm

from hypgeo import Euclidean, HalfSpace, Lorentz, PoincareBall, data
from hypgeo import nn as hnn
from hypgeo.manifolds import Manifold
from hypgeo.nn.graph import HAPPNP, DegreeFeatures, HGATConv, HGCNConv, PlainNeighborSampler

sys.path.append(str(Path(__file__).resolve().parents[1] / "embeddings"))
from measure import machine

FOLDER = Path(__file__).parent
RANK, WORLD = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
SPACES: dict[str, type[Manifold]] = {
    "flat": Euclidean,
    "ball": PoincareBall,
    "hyperboloid": Lorentz,
    "half-space": HalfSpace,
}


@dataclass(frozen=True)
class Settings:
    """A model and how it is trained."""

    space: str = "ball"
    layers: str = "gg"  # one letter a layer: l linear, g graph convolution, a graph attention, p propagation at the end
    hidden: int = 16
    dim: int = 16
    heads: int = 1
    aggr: str = "tangent"
    normalize: str = "row"
    activation: str = "relu"
    batch_norm: bool = False
    curvature: float = -1.0
    learnable: bool = True
    embedding: int = 0  # learnt features a node, beside those of the data
    standardize: bool = False  # features to mean 0 and deviation 1
    row_sum: bool = False  # features of a node to sum 1
    dropout: float = 0.0  # of what goes into each layer
    attention_dropout: float = 0.0
    drop_edge: float = 0.0  # links: the share of training edges that carry no message, and are predicted instead
    lr: float = 0.01
    curvature_lr: float = 0.01
    weight_decay: float = 0.0
    epochs: int = 2000
    patience: int = 200
    every: int = 1  # epochs from one validation to the next
    select: str = "score"  # the epoch of the best validation score, or (classes) of the least validation "loss"
    batch: int = 0  # training nodes or edges a step and process, with sampled neighbourhoods; 0: the whole graph
    neighbours: int = 10  # sampled from those of a node, at every layer; -1: all

    @property
    def cached(self) -> bool:
        return not (self.drop_edge or self.batch)


class Net(nn.Module):
    """Layers of one kind of geometry, from features to points (link prediction) or to logits (classes)."""

    def __init__(self, s: Settings, nodes: int, features: int, classes: int) -> None:
        super().__init__()
        self.settings = s
        self.table = nn.Parameter(0.1 * torch.randn(nodes, s.embedding)) if s.embedding else None
        last: Manifold = Euclidean()
        body: list[nn.Module] = []
        width = features + s.embedding
        for i, kind in enumerate(s.layers):
            end = i == len(s.layers.rstrip("p")) - 1
            space = SPACES[s.space](
                *([] if s.space == "flat" else [s.curvature]), learnable=s.learnable and s.space != "flat"
            )
            heads = s.heads if kind == "a" and not end else 1
            out = s.hidden if not end else classes or s.dim
            if kind == "p":
                body.append(self.layer(kind, width, width, 1, last, last))
                continue
            if s.dropout:
                body.append(hnn.Dropout(last, s.dropout) if body else FeatureDropout(s.dropout))
            if end and classes and kind == "l" and "p" not in s.layers:
                body.append(hnn.Hyperplanes(width, classes, last))
                break
            body.append(self.layer(kind, width, out, heads, last, space))
            width, last = out * heads, space
            if not end:
                body += [hnn.BatchNorm(width, space, sync=WORLD > 1)] if s.batch_norm else []
                body.append(hnn.Activation(space, getattr(F, s.activation)))
        if classes and not isinstance(body[-1], hnn.Hyperplanes):
            body.append(hnn.FromManifold(last))
        self.body = hnn.Sequential(*body)
        self.head = None if classes else hnn.FermiDiracDecoder(last, learnable=True)

    def layer(self, kind: str, width: int, out: int, heads: int, last: Manifold, space: Manifold) -> nn.Module:
        s = self.settings
        if kind == "l":
            return hnn.Linear(width, out, space, in_manifold=last, gain=2**0.5)
        if kind == "p":
            return APPNP(10, 0.1) if s.space == "flat" else HAPPNP(10, 0.1, space, aggr=s.aggr, cached=s.cached)
        if s.space == "flat":  # PyG's own
            if kind == "g":
                return GCNConv(width, out, cached=s.cached)
            return GATConv(width, out, heads, dropout=s.attention_dropout)
        if kind == "g":
            keep: Any = {"aggr": s.aggr, "normalize": s.normalize, "cached": s.cached}
            return HGCNConv(width, out, space, in_manifold=last, **keep)
        return HGATConv(width, out, space, heads, dropout=s.attention_dropout, in_manifold=last, aggr=s.aggr)

    def forward(self, x: Tensor, edge_index: Tensor, pairs: Tensor | None = None, ids: Tensor | None = None) -> Tensor:
        """Logits, or points; with pairs (2, E) the logits of edges.  ids: the nodes that x holds, all when left out."""
        if self.table is not None:
            x = torch.cat((x, self.table if ids is None else self.table[ids]), 1)
        z: Tensor = self.body(x, edge_index)
        return z if pairs is None else self.head(z, pairs)


class FeatureDropout(nn.Dropout):
    """Dropout of features, which may be sparse."""

    def forward(self, x: Tensor) -> Tensor:
        if x.layout is torch.sparse_csr:
            return torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), super().forward(x.values()), x.shape)
        return super().forward(x)


# ---------------------------------------------------------------------------------------------------- data
def graph(name: str, seed: int) -> Data:
    """A data set by its name, with the split that belongs to the seed."""
    if name in ("cora", "citeseer"):
        return data.planetoid({"cora": "Cora", "citeseer": "CiteSeer"}[name])[0]
    if name == "disease":
        return data.Disease()[0]
    if name == "disease-simulated":
        return data.Disease(task="node_classification", seed=seed)[0]
    kinds = {
        "airport": {},
        "airport-population": {"population": True},
        "airport-published-split": {"split": "published"},
    }
    return data.Airport(seed=seed, **kinds[name])[0]


@dataclass(frozen=True)
class Links:
    """Edges to predict: each once, and those that carry messages."""

    train: Tensor
    val: tuple[Tensor, np.ndarray]
    test: tuple[Tensor, np.ndarray]
    taken: Tensor  # pairs that are no negatives, training edges both ways and loops: sorted numbers u * nodes + v


def split_links(d: Data, seed: int) -> Links:
    seed_everything(seed)
    split = T.RandomLinkSplit(0.05, 0.1, is_undirected=True, add_negative_train_samples=False, neg_sampling_ratio=1.0)
    train, val, test = split(d)
    pairs = train.edge_label_index
    ends = [(p.edge_label_index, p.edge_label.numpy() > 0) for p in (val, test)]
    n = train.num_nodes
    loops = torch.arange(n) * (n + 1)
    taken = torch.cat((pairs[0] * n + pairs[1], pairs[1] * n + pairs[0], loops)).unique()
    return Links(pairs, ends[0], ends[1], taken)


def negatives(taken: Tensor, nodes: int, count: int) -> Tensor:
    """Pairs of nodes that are not taken, drawn evenly (2, count)."""
    found = taken[:0]
    while len(found) < count:
        drawn = torch.randint(nodes * nodes, (count - len(found) + 64,))
        at = torch.searchsorted(taken, drawn).clamp_max(len(taken) - 1)
        found = torch.cat((found, drawn[taken[at] != drawn]))
    return torch.stack((found[:count] // nodes, found[:count] % nodes))


def prepared(d: Data, s: Settings, airport: bool) -> Tensor:
    x = d.x
    if s.row_sum:
        x = x / x.sum(1, keepdim=True).clamp_min(1e-9)
    if s.standardize:
        x = (x - x.mean(0)) / (x.std(0) + 1e-9)
    if airport:
        return DegreeFeatures()(Data(x=x, edge_index=d.edge_index)).x
    few = not s.embedding and int((x != 0).sum()) < 0.05 * x.numel()
    return x.to_sparse_csr() if few else x


def auc(score: np.ndarray, edge: np.ndarray) -> float:
    """The area under the ROC curve: the share of (edge, non-edge) pairs in the right order, ties half."""
    rank = rankdata(score)
    n, m = int(edge.sum()), int((~edge).sum())
    return float((rank[edge].sum() - n * (n + 1) / 2) / (n * m))


# ---------------------------------------------------------------------------------------------------- training
class Run:
    """A network and what it is trained on."""

    def __init__(self, dataset: str, task: str, s: Settings, seed: int) -> None:
        d = self.data = graph(dataset, seed)
        self.settings, self.links = s, split_links(d, seed) if task == "links" else None
        self.message = d.edge_index if self.links is None else to_undirected(self.links.train, num_nodes=d.num_nodes)
        self.x = prepared(Data(x=d.x, edge_index=self.message), s, dataset.startswith("airport"))
        seed_everything(seed)
        self.net = Net(s, d.num_nodes, self.x.shape[1], 0 if self.links is not None else int(d.y.max()) + 1)
        groups = hnn.parameter_groups(self.net, curvature_lr=s.curvature_lr, weight_decay=s.weight_decay)
        self.adam = torch.optim.Adam(groups, lr=s.lr, fused=True)
        self.model: nn.Module = self.net
        self.loader = self.sampled() if s.batch else None
        if WORLD > 1:
            if self.loader is None:
                raise ValueError(
                    "several processes share the training nodes or edges in batches: give --batch, 512 say"
                )
            self.model = nn.parallel.DistributedDataParallel(self.net)
            seed_everything(seed * WORLD + RANK)  # weights are those of the first process; dropout is each one's own

    def sampled(self) -> Any:
        """This process's share of the training nodes or edges, the same number for each, and their neighbourhoods."""
        s, links = self.settings, self.links
        whole = Data(x=self.x.to_dense(), edge_index=self.message, y=self.data.y)
        steps = [s.neighbours] * sum({"l": 0, "p": 10}.get(kind, 1) for kind in s.layers)
        every = self.data.train_mask.nonzero()[:, 0] if links is None else torch.arange(links.train.shape[1])
        share = every[torch.arange(RANK, -(-len(every) // WORLD) * WORLD, WORLD) % len(every)]
        options: Any = {"batch_size": s.batch, "shuffle": True, "neighbor_sampler": PlainNeighborSampler(whole, steps)}
        if links is None:
            return NeighborLoader(whole, steps, input_nodes=share, **options)
        edges = links.train[:, share]
        return LinkNeighborLoader(whole, steps, edge_label_index=edges, neg_sampling="binary", **options)

    def losses(self) -> Iterator[Tensor]:
        """The loss of every step of an epoch: one over the whole graph, or one a batch of sampled neighbourhoods."""
        model, d = self.model, self.data
        if self.loader is None:
            if self.links is not None:
                yield link_loss(model, self.x, self.links, self.message, self.settings.drop_edge)
            else:
                yield F.cross_entropy(model(self.x, self.message)[d.train_mask], d.y[d.train_mask])
            return
        for batch in self.loader:
            if self.links is None:
                logits = model(batch.x, batch.edge_index, ids=batch.n_id)[: batch.batch_size]
                yield F.cross_entropy(logits, batch.y[: batch.batch_size])
            else:
                logits = model(batch.x, batch.edge_index, batch.edge_label_index, batch.n_id)
                yield 2 * F.binary_cross_entropy_with_logits(logits, batch.edge_label.to(logits.dtype))

    def epoch(self) -> float:
        """One epoch of training; the loss of its last step."""
        self.net.train()
        for loss in self.losses():
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
        return loss.item()

    def scores(self) -> list[float]:
        """What an epoch is chosen by, the validation score and the test score; of the first process, for all."""
        net, d = self.net.eval(), self.data
        found = torch.zeros(3, dtype=torch.float64)
        if RANK == 0:
            with torch.no_grad():
                out = net(self.x, self.message)
                if self.links is not None:
                    held = self.links.val, self.links.test
                    val, test = (auc(net.head(out, pairs).numpy(), edge) for pairs, edge in held)
                else:
                    right = out.argmax(1) == d.y
                    val, test = (right[m].float().mean().item() for m in (d.val_mask, d.test_mask))
                by_loss = self.links is None and self.settings.select == "loss"
                chosen = -F.cross_entropy(out[d.val_mask], d.y[d.val_mask]).item() if by_loss else val
                found = torch.tensor([chosen, val, test], dtype=torch.float64)
        if WORLD > 1:
            distributed.broadcast(found, 0)
        return found.tolist()


def train(dataset: str, task: str, s: Settings, seed: int, save: Path | None = None) -> dict[str, float]:
    """One run: the best validation score, the test score at that epoch, and what it took."""
    run = Run(dataset, task, s, seed)
    rank, best, test, at, stepping = -np.inf, 0.0, 0.0, 0, 0.0
    title = f"{dataset} {s.space} {s.layers} seed {seed}"
    bar = tqdm(range(1, s.epochs + 1), desc=title, leave=False, disable=None if RANK == 0 else True)
    for epoch in bar:
        start = time.perf_counter()
        loss = run.epoch()
        stepping += time.perf_counter() - start
        if epoch % s.every:
            continue
        if not np.isfinite(loss):
            raise FloatingPointError(f"{dataset}, {s}, seed {seed}: the loss is {loss} in epoch {epoch}")
        chosen, val, now = run.scores()
        if chosen > rank:
            rank, best, test, at = chosen, val, now, epoch
            if save is not None and RANK == 0:
                save.parent.mkdir(parents=True, exist_ok=True)
                save_file({k: v.contiguous() for k, v in unshared(run.net)}, save)
        bar.set_postfix_str(f"loss {loss:.3f}, validation {val:.4f}, best {best:.4f} ({at})", refresh=False)
        if epoch - at >= s.patience:
            break
    curvature = [k for k in hnn.curvatures(run.net).values() if isinstance(k, float)]
    return {
        "val": best,
        "test": test,
        "epoch": at,
        "epochs_per_s": epoch / stepping,
        "curvature": min(curvature, default=0.0),
    }


def unshared(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The state of a module, each tensor once: layers share their manifolds."""
    seen: set[int] = set()
    for name, t in net.state_dict(keep_vars=True).items():
        if id(t) not in seen:
            seen.add(id(t))
            yield name, t.detach()


def link_loss(net: nn.Module, x: Tensor, links: Links, message: Tensor, share: float) -> Tensor:
    """Of training edges and as many pairs that are none; a share of the edges carries no message, and alone counts."""
    edges = links.train
    if share:
        kept = torch.rand(edges.shape[1]) >= share
        message, edges = to_undirected(edges[:, kept], num_nodes=len(x)), edges[:, ~kept]
    others = negatives(links.taken, len(x), edges.shape[1])
    logits = net(x, message, torch.cat((edges, others), 1))
    near = torch.arange(len(logits)) < edges.shape[1]
    return 2 * F.binary_cross_entropy_with_logits(logits, near.to(logits.dtype))


# ---------------------------------------------------------------------------------------------------- bookkeeping
def tasks() -> dict[str, dict[str, Any]]:
    return {p.stem: tomllib.loads(p.read_text()) for p in sorted((FOLDER / "graphs").glob("*.toml"))}


def models(task: dict[str, Any]) -> dict[str, Settings]:
    return {k: Settings(**{**task.get("shared", {}), **v}) for k, v in task["models"].items()}


def kept(name: str, task: dict[str, Any], model: str, s: Settings, runs: Path) -> tuple[Path, dict[str, Any]]:
    """The file of a model's scores, and what it holds by seed."""
    key = hashlib.sha256(json.dumps([task["dataset"], task["predict"], asdict(s)], sort_keys=True).encode()).hexdigest()
    path = runs / f"{name}-{model}-{key[:12]}.json"
    return path, json.loads(path.read_text()) if path.is_file() else {}


def run(name: str, task: dict[str, Any], model: str, s: Settings, seeds: int, runs: Path, save: bool) -> dict[str, Any]:
    """The scores of a model, seed by seed; those that are in `runs` already are not computed again."""
    path, known = kept(name, task, model, s, runs)
    for seed in range(seeds):
        if str(seed) not in known:
            weights = path.with_name(f"{path.stem}-{seed}.safetensors") if save else None
            start = time.perf_counter()
            known[str(seed)] = train(task["dataset"], task["predict"], s, seed, weights)
            known[str(seed)]["seconds"] = time.perf_counter() - start
            runs.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            if RANK == 0:
                part.write_text(json.dumps(known, indent=1))
                os.replace(part, path)
    rows = [known[str(seed)] for seed in range(seeds)]
    return {k: [row[k] for row in rows] for k in rows[0]}


SEARCH: dict[str, list[Any]] = {  # the same for every model
    "lr": [0.003, 0.01, 0.02, 0.05],
    "weight_decay": [0.0, 1e-4, 5e-4, 1e-3, 5e-3],
    "dropout": [0.0, 0.2, 0.5, 0.6, 0.8],
    "hidden": [16, 32, 64],
    "activation": ["relu", "tanh", "elu"],
}
LINKS: dict[str, list[Any]] = {"drop_edge": [0.0, 0.2, 0.5], "embedding": [0, 16, 32], "dim": [16, 64]}
HEADS: dict[str, list[Any]] = {"heads": [1, 4, 8], "hidden": [4, 8], "attention_dropout": [0.0, 0.6]}
DEPTH: dict[str, list[str]] = {
    "l": ["l", "ll", "lll"],
    "g": ["g", "gg", "ggg", "lg", "gl", "lgg"],
    "a": ["a", "aa", "la", "al"],
    "p": ["llp"],
}


def drawn(task: dict[str, Any], s: Settings, rng: np.random.Generator) -> Settings:
    """Random settings of a model's kind, from the lists above and those that the task has of its own."""
    kind = next(k for k in "pagl" if k in s.layers)
    space = {**SEARCH, **(LINKS if task["predict"] == "links" else {}), **task.get("search", {})}
    space |= {"layers": DEPTH[kind]} | (HEADS if kind == "a" else {})
    return replace(s, **{k: v[int(rng.integers(len(v)))] for k, v in space.items()})


def tune(name: str, task: dict[str, Any], model: str, s: Settings, budget: int, seeds: int, runs: Path) -> Settings:
    """The best of `budget` settings by mean validation score: those of the file, then random ones, alike for all."""
    rng = np.random.default_rng(0)
    best, found = -1.0, s
    for i in tqdm(range(budget), desc=f"{name} {model}", disable=None):
        trial = drawn(task, s, rng) if i else s
        score = statistics.mean(run(name, task, model, trial, seeds, runs / "tune", False)["val"])
        if score > best:
            best, found = score, trial
    print(f"\n# {name}: {100 * best:.2f} on validation\n[models.{model}]")
    base = asdict(Settings(**task.get("shared", {})))
    for k, v in asdict(found).items():
        if v != base[k]:
            print(f"{k} = {json.dumps(v)}", flush=True)
    return found


def row(name: str, model: str, r: dict[str, Any]) -> str:
    """A model's line of the table, from its scores seed by seed."""
    task = tasks()[name]
    score, val = ([100 * v for v in r[k]] for k in ("test", "val"))
    spread = statistics.stdev(score) if len(score) > 1 else 0.0
    published = task.get("published", "") if model == next(iter(task["models"])) else ""
    return (
        f"| {task['title']} | {model} | {models(task)[model].space} | {statistics.mean(score):.2f} ± {spread:.2f} | "
        f"{statistics.mean(val):.2f} | {statistics.median(r['epochs_per_s']):.0f} | "
        f"{statistics.median(r['seconds']):.0f} | {published} |"
    )


def table(rows: dict[tuple[str, str], str], earlier: str) -> str:
    """The rows of this run, and from an earlier table those of models that did not run, in the order of the tasks."""
    known = {tuple(c.strip() for c in line.split("|")[1:3]): line for line in earlier.splitlines() if line[:2] == "| "}
    lines = [
        "| task | model | space | test | validation | epochs/s | seconds a run | published |",
        "|---|---|---|--:|--:|--:|--:|---|",
    ]
    for name, task in tasks().items():
        for model in task["models"]:
            lines.append(rows.get((name, model)) or known.get((task["title"], model), ""))
    return "\n".join(filter(None, lines))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help=f"any of {', '.join(tasks())}; all when left out")
    parser.add_argument("--models", nargs="+", help="only these models")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=0, help="training nodes or edges a step; needed under torchrun")
    parser.add_argument("--neighbours", type=int, default=10, help="sampled of a node's, with --batch; -1: all")
    parser.add_argument("--runs", type=Path, default=Path("runs/graphs"), help="where scores are kept")
    parser.add_argument("--known", action="store_true", help="only models all of whose seeds are there")
    parser.add_argument("--save", action="store_true", help="keep the best weights of every seed there, too")
    parser.add_argument("--tune", type=int, metavar="N", help="instead: the best of N settings a model, 2 seeds each")
    parser.add_argument("--write", action="store_true", help="write benchmarks/graphs.md")
    args = parser.parse_args(argv)
    unknown = set(args.tasks) - set(tasks())
    if unknown:
        print(f"no task is called {', '.join(sorted(unknown))}; there are {', '.join(tasks())}.", file=sys.stderr)
        return 2
    torch.set_num_threads(args.threads)
    if WORLD > 1:
        distributed.init_process_group("gloo")
    rows: dict[tuple[str, str], str] = {}
    for name in args.tasks or tasks():
        task = tasks()[name]
        for model, s in models(task).items():
            s = s if not args.batch else replace(s, batch=args.batch, neighbours=args.neighbours)
            if args.models and model not in args.models:
                continue
            if args.known and len(kept(name, task, model, s, args.runs)[1]) < args.seeds:
                continue
            if args.tune:
                tune(name, task, model, s, args.tune, min(args.seeds, 2), args.runs)
                continue
            rows[name, model] = row(name, model, run(name, task, model, s, args.seeds, args.runs, args.save))
            if RANK == 0:
                print(rows[name, model], flush=True)
    if WORLD > 1:
        distributed.destroy_process_group()
    if args.write and rows and RANK == 0:
        page = FOLDER / "graphs.md"
        head = (
            "# Graph networks, hyperbolic and flat\n\n"
            f"Written by `python benchmarks/graphs.py --write`: {args.seeds} seeds, mean ± standard deviation in "
            f"per cent (area under the ROC curve for links, accuracy for classes), {args.threads} thread.\n"
            f"Measured on {machine()}.\n\n"
            "Settings are the best of eight by validation with the first seed (`--tune 8 --seeds 1`), the same draws "
            "for every model.  Exceptions: links on Cora, where a dozen trials by hand found what all models have; the "
            "published split of Airport and its links with population, which take what was found without.  "
            "Rows come from several such runs, two at a time on two cores.\n\n"
        )
        page.write_text(head + table(rows, page.read_text() if page.is_file() else "") + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
