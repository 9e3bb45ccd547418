"""Embeddings learnt by gradient descent: neighbours are to be nearer than nodes drawn at random."""

from __future__ import annotations

import hashlib
import json
import math
import os
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad
from tqdm import tqdm

from hypgeo.data.pairs import Pairs
from hypgeo.embed import draws
from hypgeo.embed.base import Embedder, hypgeo_version
from hypgeo.embed.checkpoint import Checkpoint
from hypgeo.embedding import Embedding
from hypgeo.manifolds import HalfSpace
from hypgeo.ops import learn
from hypgeo.optim._step import Hyper, advance_rows

ENGINES = ("auto", "compiled", "verbs")


class LearnedEmbedder(Embedder):
    """Embeds directed pairs (u, v), v a neighbour of u, by softmax over negatives, on any manifold.

    The loss of a pair is -log(e^(-s d(u, v)) / sum of e^(-s d(u, w)) over w = v and the negatives), s = `scale`; its
    mean over a batch is lowered by a Riemannian gradient step for every point that occurs in the batch, all at the
    points as they were (M. Nickel, D. Kiela. Poincaré embeddings for learning hierarchical representations. NeurIPS
    2017, equation 6; Learning continuous hierarchies in the Lorentz model. ICML 2018, algorithm 1; the scale is that of
    T. Yu, C. De Sa. Representing hyperbolic space accurately using multi-component floats. NeurIPS 2021).

    manifold: where to embed; default HalfSpace().  Its curvature stays as it is.
    dim: dimension of the manifold.
    epochs: rounds over all pairs, each in an order of its own.
    lr: step length times gradient of the batch's mean loss; times `burn_in_factor` in the first `burn_in` epochs.
    batch_size, negatives: pairs to a step, nodes drawn for each pair, with repetition.
    scale: factor of the distances in the softmax.
    init: points start with normal coordinates uniform in (-init, init), the same in every model.
    exclude_neighbours: draw no neighbour of u against it; u itself is never drawn.
    engine: "compiled" (one call an epoch, one thread: HalfSpace, MCHalfSpace of up to four components, PoincareBall,
        Lorentz; HTiling to radius 60, LTiling to 40), "verbs" (the manifold's own methods and autograd), or "auto", the
        first where it can be.  Both draw the same numbers and agree to rounding.
    seed: every number drawn depends on it and on its place alone.
    checkpoint: a file that the state is written to every `checkpoint_every` epochs and at the end, whole at any moment.
        Where it is there, `fit` goes on from it, to the same bits on the same instruction set, or refuses it when it
        was made with other settings (all but `epochs`) or other pairs.
    progress: show a progress bar with the loss.

    After `fit(pairs)`: `embedding_`, `pairs_`, and `losses_`, the mean loss of each epoch.
    """

    embedding_: Embedding
    pairs_: Pairs
    losses_: npt.NDArray[np.float64]

    def __init__(
        self,
        manifold: Any = None,
        dim: int = 2,
        epochs: int = 1000,
        lr: float = 1.0,
        batch_size: int = 32,
        negatives: int = 50,
        burn_in: int = 20,
        burn_in_factor: float = 0.01,
        scale: float = 1.0,
        init: float = 1e-4,
        exclude_neighbours: bool = True,
        engine: str = "auto",
        seed: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 50,
        progress: bool = True,
    ) -> None:
        self.manifold = manifold
        self.dim = dim
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.negatives = negatives
        self.burn_in = burn_in
        self.burn_in_factor = burn_in_factor
        self.scale = scale
        self.init = init
        self.exclude_neighbours = exclude_neighbours
        self.engine = engine
        self.seed = seed
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.progress = progress

    def _check(self) -> None:
        least = {"dim": 1, "epochs": 0, "batch_size": 1, "negatives": 1, "burn_in": 0, "checkpoint_every": 1, "seed": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low:
                raise ValueError(f"{name} is {value!r}; it must be a whole number, {low} or more.")
        for name in ("lr", "burn_in_factor", "scale", "init"):
            value = getattr(self, name)
            if not isinstance(value, int | float | np.floating | np.integer) or not 0 < value < math.inf:
                raise ValueError(f"{name} is {value!r}; it must be a positive number.")
        if self.engine not in ENGINES:
            raise ValueError(f"engine is {self.engine!r}; it must be one of {', '.join(ENGINES)}.")

    def fit(self, pairs: Any, y: None = None) -> LearnedEmbedder:
        """Learn from pairs (u, v) as they stand, or from a graph, each edge both ways (`hypgeo.data.Pairs.of`)."""
        self._check()
        given = Pairs.of(pairs)
        manifold = HalfSpace() if self.manifold is None else self.manifold
        others = self._others(given)
        engine = self._engine(manifold, given, others)
        settings, data = self._settings(manifold, engine.name), _checksum_of(given)
        state = None if self.checkpoint is None else Checkpoint.load(self.checkpoint, settings, data)
        if state is None:
            start = draws.uniform(draws.key(self.seed, draws.START), (given.n, self.dim)) * self.init
            state = Checkpoint(manifold.from_normal_coordinates(torch.from_numpy(start)), torch.zeros(0).double())
        if state.epoch > self.epochs:
            raise ValueError(
                f"the checkpoint '{self.checkpoint}' has {state.epoch} epochs done, and {self.epochs} are asked for."
            )
        state = self._train(engine, given, state, settings, data)
        self.pairs_, self.losses_ = given, state.losses.numpy()
        edges = np.unique(np.sort(given.pairs, axis=1), axis=0)
        provenance = {
            "method": "softmax over negatives",
            "hypgeo": hypgeo_version(),
            "nodes": given.n,
            "pairs": given.m,
            **settings,
            "epochs": int(self.epochs),
            "loss": float(self.losses_[-1]) if self.epochs else None,
        }
        self.embedding_ = Embedding(given.labels, _trimmed(state.points, manifold), manifold, provenance, edges)
        return self

    def fit_transform(self, pairs: Any, y: None = None) -> npt.NDArray[np.float64]:
        """(n, width) points in the manifold's coordinates, rows in the order of the pairs' labels."""
        points: npt.NDArray[np.float64] = self.fit(pairs).embedding_.to_numpy(model="native")
        return points

    def _others(self, given: Pairs) -> draws.Others:
        """The nodes that may be drawn against each node."""
        own = np.arange(given.n)
        u, v = given.pairs.T if self.exclude_neighbours else (own[:0], own[:0])
        u, v = np.concatenate([own, u]), np.concatenate([own, v])
        order = np.lexsort((v, u))
        indptr = np.zeros(given.n + 1, dtype=np.int64)
        np.cumsum(np.bincount(u, minlength=given.n), out=indptr[1:])
        others = draws.Others(given.n, indptr, np.ascontiguousarray(v[order]))
        none = np.flatnonzero(others.count[given.pairs[:, 0]] == 0)
        if len(none):
            label = given.labels[given.pairs[none[0], 0]]
            raise ValueError(
                f"every node is {label!r} or its neighbour, so that none can be drawn against it; "
                "set exclude_neighbours=False."
            )
        return others

    def _engine(self, manifold: Any, given: Pairs, others: draws.Others) -> _Engine:
        name, components = _served(manifold)
        c = float(-manifold.curvature) if hasattr(manifold, "curvature") and manifold.curvature.numel() == 1 else 0.0
        serves = c > 0 and learn.available(name, components)
        if self.engine == "compiled" and not serves:
            raise ValueError(f"no compiled epoch serves {manifold!r} here; set engine='auto'.")
        if self.engine == "verbs" or not serves:
            return _Verbs(manifold, given, others, self.negatives, self.batch_size, self.scale)
        task = learn.Task(
            torch.from_numpy(given.pairs),
            torch.from_numpy(others.indptr),
            torch.from_numpy(others.kept),
            name,
            components,
            c,
            self.negatives,
            self.batch_size,
            self.scale,
        )
        return _Compiled(
            task, manifold.width(learn.LIMBS[name]) if _tiled(manifold) else manifold.ambient_dim(self.dim)
        )

    def _settings(self, manifold: Any, engine: str) -> dict[str, Any]:
        """What makes a training what it is, as JSON holds it."""
        curvature = float(manifold.curvature) if hasattr(manifold, "curvature") else None
        made: dict[str, Any] = {"manifold": type(manifold).__name__, "curvature": curvature}
        made["components"] = int(getattr(manifold, "components", 1))
        for what in ("dim", "batch_size", "negatives", "burn_in", "seed"):
            made[what] = int(getattr(self, what))
        for what in ("lr", "burn_in_factor", "scale", "init"):
            made[what] = float(getattr(self, what))
        return {**made, "exclude_neighbours": bool(self.exclude_neighbours), "engine": engine}

    def _train(
        self, engine: _Engine, given: Pairs, state: Checkpoint, settings: dict[str, Any], data: str
    ) -> Checkpoint:
        points, losses = state.points.clone(), state.losses.tolist()
        with tqdm(
            total=self.epochs, initial=state.epoch, desc="learn", unit="epoch", disable=not self.progress, leave=False
        ) as bar:
            for epoch in range(state.epoch, self.epochs):
                rate = self.lr * (self.burn_in_factor if epoch < self.burn_in else 1.0)
                order = draws.order(draws.key(self.seed, draws.ORDER, epoch), given.m)
                points, loss, stuck = engine.epoch(points, order, draws.key(self.seed, draws.NEGATIVES, epoch), rate)
                if stuck >= 0 or not (math.isfinite(loss) and bool(points.isfinite().all())):
                    where = f" at {given.labels[stuck]!r}" if stuck >= 0 else ""
                    raise FloatingPointError(
                        f"the loss is {loss / given.m:g} or a step too long{where} in epoch {epoch} with "
                        f"lr={self.lr:g}; give a smaller lr"
                        + (", or engine='verbs' for points farther out." if engine.bounded else ".")
                    )
                losses.append(loss / given.m)
                bar.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
                bar.update()
                last = epoch + 1 == self.epochs
                if self.checkpoint is not None and (last or (epoch + 1) % self.checkpoint_every == 0):
                    done = Checkpoint(points, torch.tensor(losses, dtype=torch.float64))
                    done.save(self.checkpoint, settings, data)
        return Checkpoint(points, torch.tensor(losses, dtype=torch.float64))


class _Engine(Protocol):
    """Takes the steps of one epoch; with `bounded`, only as far out as the integers of its tiles reach."""

    name: str
    bounded: bool

    def epoch(self, points: Tensor, order: draws.Ints, key: int, rate: float) -> tuple[Tensor, float, int]:
        """The points after it, the sum of the losses, and a node where it stopped or -1."""


class _Compiled:
    name = "compiled"

    def __init__(self, task: learn.Task, width: int) -> None:
        self.task, self.width, self.bounded = task, width, task.model in learn.LIMBS

    def epoch(self, points: Tensor, order: draws.Ints, key: int, rate: float) -> tuple[Tensor, float, int]:
        points = pad(points, (0, self.width - points.shape[-1]))
        loss, stuck = learn.epoch(points, self.task, torch.from_numpy(order), key, rate)
        return points, loss, stuck


class _Verbs:
    name = "verbs"
    bounded = False

    def __init__(
        self, manifold: Any, given: Pairs, others: draws.Others, negatives: int, batch_size: int, scale: float
    ) -> None:
        self.manifold, self.pairs, self.others = manifold, given.pairs, others
        self.negatives, self.batch_size, self.scale = negatives, batch_size, scale

    def epoch(self, points: Tensor, order: draws.Ints, key: int, rate: float) -> tuple[Tensor, float, int]:
        total = 0.0
        for first in range(0, len(order), self.batch_size):
            touched, grad, loss = self.gradient(points, order[first : first + self.batch_size], first, key)
            if not math.isfinite(loss):
                return points, loss, -1
            advance_rows(self.manifold, [points, None, None, None], touched, grad, Hyper(rate))
            total += loss
        return points, total, -1

    def gradient(self, points: Tensor, some: draws.Ints, first: int, key: int) -> tuple[Tensor, Tensor, float]:
        """A batch's nodes (k,), the gradient of its mean loss (k, width), and its summed loss."""
        u, v = self.pairs[some].T
        drawn = self.others.draw(key, first, u, self.negatives)
        nodes = torch.from_numpy(np.concatenate([u[:, None], v[:, None], drawn], axis=1))
        touched, at = torch.unique(nodes, return_inverse=True)
        few = points[touched].requires_grad_()
        rows = few[at]
        logits = -self.scale * self.manifold.dist(rows[:, :1], rows[:, 1:])
        loss = cross_entropy(logits, torch.zeros(len(u), dtype=torch.int64))
        (grad,) = torch.autograd.grad(loss, few)
        return touched, grad, float(loss.detach()) * len(u)


def _served(manifold: Any) -> tuple[str, int]:
    """The model that serves a manifold in `ops.learn`, and how many floats make a coordinate."""
    name = type(manifold).__name__
    return ("HalfSpace", manifold.components) if name == "MCHalfSpace" else (name, 1)


def _tiled(manifold: Any) -> bool:
    return type(manifold).__name__ in learn.LIMBS


def _trimmed(points: Tensor, manifold: Any) -> Tensor:
    """Points of a tiling without the limbs that none of them needs; others as they are."""
    if not _tiled(manifold):
        return points
    limbs = manifold.limbs(points)
    while limbs > 1 and not bool(points[:, manifold.width(limbs - 1) :].any()):
        limbs -= 1
    return points[:, : manifold.width(limbs)].contiguous()


def _checksum_of(given: Pairs) -> str:
    digest = hashlib.sha256(json.dumps([repr(label) for label in given.labels]).encode())
    digest.update(given.pairs.tobytes())
    return digest.hexdigest()
