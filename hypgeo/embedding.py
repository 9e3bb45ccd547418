"""An embedding as a thing: labels, points, geometry, and how it was made, in one object and one file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import tempfile
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Context, Decimal
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as _tensors_of
from safetensors.torch import save as _bytes_of
from torch import Tensor

from hypgeo import compress, manifolds
from hypgeo.data.graph import Graph, unknown_label
from hypgeo.ops.integers import hang_tiles

FORMAT, VERSION = "hypgeo-embedding", 2  # 1 where nothing is compressed
_TILINGS = ("HTiling", "LTiling")
_MANIFOLDS = ("PoincareBall", "Lorentz", "HalfSpace", "Euclidean", "HalfSpaceTree", "MCHalfSpace", *_TILINGS)
_BLOCK = 1 << 20  # distances computed at a time: 8 MiB each of the few intermediates


class Embedding:
    """Points of a manifold with a label each.

    labels: n distinct labels (str or int if it is to be saved).
    points: (n, d) tensor, rows on `manifold`; for HalfSpaceTree each row is a node seen from its parent.
    manifold: one of ours, HalfSpaceTree and the tilings among them; distances are its own, so at curvature K they are
      1/sqrt(-K) times those at curvature -1.  What a model learnt may be given as it is; no gradient is kept.
    provenance: how it was made (method, parameters, measured figures), anything JSON can hold.
    edges: (m, 2) indices of the graph's edges, kept for drawing and evaluation; weights: their (m,) lengths, if any.
    parent: (n,) int64 index of each node's parent, -1 at the root; taken from HalfSpaceTree, which knows it.

    stored: what a compressed file said of itself (None for others): `hypgeo info` shows it.
    """

    stored: dict[str, Any] | None = None

    def __init__(
        self,
        labels: Sequence[Hashable],
        points: Tensor,
        manifold: Any,
        provenance: Mapping[str, Any] | None = None,
        edges: npt.NDArray[np.int64] | None = None,
        parent: Tensor | None = None,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.labels: list[Hashable] = list(labels)
        self.points = points.detach()
        self.manifold = manifold
        self.provenance: dict[str, Any] = dict(provenance or {})
        self.edges = None if edges is None else np.asarray(edges, dtype=np.int64)
        self.weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        self.parent: Tensor | None = getattr(manifold, "parent", None) if parent is None else parent
        n = len(self.labels)
        if n == 0 or points.ndim < 2 or len(points) != n:
            raise ValueError(
                f"{n} labels and points of shape {tuple(points.shape)} do not make an embedding of n > 0 rows."
            )
        if len(self._index) != n:
            raise ValueError("labels must be distinct.")
        if self.edges is not None and (
            self.edges.ndim != 2
            or self.edges.shape[1] != 2
            or (self.edges.size and not 0 <= self.edges.min() <= self.edges.max() < n)
        ):
            raise ValueError(f"edges must be (m, 2) indices of {n} nodes.")
        if self.weights is not None and (self.edges is None or self.weights.shape != (len(self.edges),)):
            raise ValueError("weights must be one length for each edge.")
        if self.parent is not None and (
            self.parent.shape != (n,) or int(self.parent.min()) != -1 or int(self.parent.max()) >= n
        ):
            raise ValueError(f"parent must hold {n} indices of nodes, and -1 at the root.")

    # ---- what it is --------------------------------------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.labels)

    @property
    def dim(self) -> int:
        """Dimension of the manifold."""
        if self._tiled:
            return int(self.manifold.dim)
        if isinstance(self.manifold, manifolds.MCHalfSpace):
            return self.points.shape[-1] // self.manifold.components
        return self.points.shape[-1] - (type(self.manifold).__name__ == "Lorentz")

    @property
    def root(self) -> int | None:
        """Index of the root, where the embedding has parents."""
        if self.parent is None:
            return None
        return int(torch.argmin(self.parent))

    @cached_property
    def radius(self) -> float:
        """Largest distance from the root, or from the origin where there is no root."""
        if self.root is not None:
            return float(self._row(self.root).max())
        with torch.no_grad():
            return float(self.manifold.dist0(self.points).max())

    @property
    def bytes_per_node(self) -> float:
        """Memory of the geometry: points, and parents where the manifold needs them."""
        size = self.points.numel() * self.points.element_size()
        if self._exact and self.parent is not None:
            size += self.parent.numel() * self.parent.element_size()
        return size / self.n

    @property
    def _exact(self) -> bool:
        return isinstance(self.manifold, manifolds.HalfSpaceTree)

    @property
    def _tiled(self) -> bool:
        return type(self.manifold).__name__ in _TILINGS

    @property
    def _curvature(self) -> float:
        """Of the manifold, as it stands where it is learnt."""
        with torch.no_grad():
            return float(self.manifold.curvature)

    @cached_property
    def hidden(self) -> Tensor:
        """(n,) bool: nodes of the tree that stand for none of the graph's (provenance["hidden"] lists their labels)."""
        mask = torch.zeros(self.n, dtype=torch.bool)
        mask[[self.index(label) for label in self.provenance.get("hidden", [])]] = True
        return mask

    @cached_property
    def _index(self) -> dict[Hashable, int]:
        return {label: i for i, label in enumerate(self.labels)}

    def index(self, label: Hashable) -> int:
        """The index of a label; ValueError names up to three close labels when it is not there."""
        found = self._index.get(label)
        if found is None:
            raise unknown_label(label, self.labels)
        return found

    def graph(self) -> Graph:
        """The graph it was made from, nodes in the embedding's order; ValueError where its edges were not kept."""
        if self.edges is None:
            raise ValueError("this embedding does not hold the edges of its graph; give the graph itself.")
        if not self.hidden.any():
            return Graph.from_indices(self.labels, self.edges[:, 0], self.edges[:, 1], self.weights)
        shown = ~self.hidden.numpy()
        place = np.cumsum(shown) - 1
        labels = [label for label, keep in zip(self.labels, shown, strict=True) if keep]
        return Graph.from_indices(labels, place[self.edges[:, 0]], place[self.edges[:, 1]], self.weights)

    def __len__(self) -> int:
        return self.n

    def __contains__(self, label: Hashable) -> bool:
        return label in self._index

    def __repr__(self) -> str:
        several = getattr(self.manifold, "components", None)
        facts = "" if several is None else f"components={several}, "
        name = f"{type(self.manifold).__name__}({facts}curvature={self._curvature:g})"
        return f"Embedding({self.n:,} nodes, dim {self.dim}, {name}, radius {self.radius:.4g})"

    # ---- distances ---------------------------------------------------------------------------------------------------

    def _ids(self, labels: Hashable | Sequence[Hashable] | None) -> Tensor:
        if labels is None:
            return torch.arange(self.n)
        if isinstance(labels, list | np.ndarray | Tensor):
            return torch.tensor([self.index(x) for x in (labels if isinstance(labels, list) else labels.tolist())])
        return torch.tensor(self.index(labels))

    def _dist(self, i: Tensor, j: Tensor) -> Tensor:
        with torch.no_grad():
            if self._exact:
                found: Tensor = self.manifold.dist(self.points, i, j)
            else:
                found = self.manifold.dist(self.points[i], self.points[j])
        return found.to(torch.float64)

    def _row(self, i: int) -> Tensor:
        """(n,) distances from node i to all."""
        if self._exact:
            found: Tensor = self.manifold.dist_from(self.points, i)
            return found.to(torch.float64)
        with torch.no_grad():
            parts = [self.manifold.pairwise_dist(self.points[i : i + 1], rows)[0] for rows in self.points.split(_BLOCK)]
        return torch.cat(parts).to(torch.float64)

    def dist(self, u: Any, v: Any) -> float | Tensor:
        """Distance between two labels, a float; with a list on either side, a float64 tensor, broadcast over both."""
        found = self._dist(self._ids(u), self._ids(v))
        return found if found.ndim else float(found)

    def pairwise(self, us: Sequence[Hashable] | None = None, vs: Sequence[Hashable] | None = None) -> Tensor:
        """(len(us), len(vs)) float64 distances between lists of labels (None: all nodes, in their order)."""
        i, j = self._ids(us), self._ids(vs)
        out = torch.empty((len(i), len(j)), dtype=torch.float64)
        whole = self._exact and 4 * len(j) >= self.n  # one sweep over the tree beats a walk for each pair
        step = max(1, _BLOCK // max(1, self.n if whole else len(j)))
        for start in range(0, len(i), step):
            rows = i[start : start + step]
            if whole:
                out[start : start + step] = self.manifold.dist_from(self.points, rows)[:, j]
            elif self._exact:
                out[start : start + step] = self._dist(rows[:, None], j[None, :])
            else:
                with torch.no_grad():
                    out[start : start + step] = self.manifold.pairwise_dist(self.points[rows], self.points[j])
        return out

    def point(self, u: Hashable, digits: int | None = None) -> tuple[Decimal, ...]:
        """The coordinates of one node in decimals, to `digits` significant digits.

        They are its row, by default exactly; for HalfSpaceTree its place (x..., height) in the upper half-space as the
        root sees it, by default to 17 digits at the scale of its own height; for tilings to 17 digits each.
        """
        i = self.index(u)
        if self._exact:
            found: tuple[Decimal, ...] = self.manifold.point(self.points, i, digits)
            return found
        if self._tiled:
            place: tuple[Decimal, ...] = self.manifold.point(self.points[i], 17 if digits is None else digits)
            return place
        exactly = tuple(map(Decimal, self.points[i].tolist()))
        return exactly if digits is None else tuple(map(Context(prec=digits).plus, exactly))

    def nearest(self, u: Hashable, k: int = 10) -> list[tuple[Hashable, float]]:
        """The k labels nearest to `u`, nearest first, with their distances; memory linear in the nodes."""
        if k < 1:
            raise ValueError(f"k={k} asks for no neighbours; give 1 or more.")
        i = self.index(u)
        row = self._row(i)
        row[i] = -1.0  # itself, first in the order whatever coincides with it
        row[self.hidden] = math.inf
        last = min(k + 1, self.n - int(self.hidden.sum()))
        few = torch.nonzero(~(row > row.topk(last, largest=False).values[-1]))[:, 0]  # all that tie with the last one
        values, order = torch.sort(row[few], stable=True)
        found = few[order[1:last]].tolist()
        return [(self.labels[j], d) for j, d in zip(found, values[1:last].tolist(), strict=True)]

    # ---- other forms -------------------------------------------------------------------------------------------------

    def to_tensor(self, dtype: torch.dtype = torch.float64, model: str = "ball") -> Tensor:
        """(n, dim) points in the Poincare ball of the same curvature, or as stored with model="native".

        Rounding a point that lies deep in the space to a float puts it on the rim or on top of another one. Warns with
        the number of such points; distances between them are to be asked of the embedding itself.
        """
        if model == "native":
            return self.points.to(dtype)
        if model != "ball":
            raise ValueError(f"model {model!r} is unknown; it is 'ball' or 'native'.")
        if isinstance(self.manifold, manifolds.Euclidean):
            raise ValueError("points of Euclidean space are in no ball; ask for model='native'.")
        found = self.quick()
        if found._exact:
            ball: Tensor = found.manifold.to_ball(found.points)
        else:
            target = manifolds.PoincareBall(curvature=self._curvature)
            same = isinstance(self.manifold, manifolds.PoincareBall)
            ball = self.points if same else manifolds.convert(self.points, self.manifold, target)
        ball = ball.to(dtype)
        lost = self._lost(ball)
        if lost:
            warnings.warn(
                f"{lost:,} of {self.n:,} points coincide with another or lie on the rim when rounded to {dtype}; "
                "take distances from the embedding, which keeps them apart.",
                stacklevel=2,
            )
        return ball

    def _lost(self, ball: Tensor) -> int:
        rows = ball.detach().cpu().contiguous().numpy()
        _, which, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
        wide = rows.astype(np.float64)
        rim = (wide**2).sum(axis=1) * -self._curvature >= 1
        return int((rim | (counts[which.reshape(-1)] > 1)).sum())

    def to_tiling(self, dtype: torch.dtype = torch.float64) -> Embedding:
        """The nodes of a HalfSpaceTree as points of HTiling, each with its whole place, correctly rounded once."""
        if not self._exact:
            name = type(self.manifold).__name__
            raise ValueError(f"to_tiling places the nodes of a HalfSpaceTree, and these are points of {name}.")
        space, points = self.manifold.to_tiling(self.points, dtype)
        return Embedding(self.labels, points, space, self.provenance, self.edges, self.parent, self.weights)

    def to_tree(self) -> Embedding:
        """Points of HTiling as the nodes of a HalfSpaceTree, each seen from its parent, to the nearest float64 row.

        Distances are those of the tiling to a few parts in 10^16 of a parent's scale; metrics of trees are quick on it.
        The root is at the tree's origin, wherever it was.
        """
        if type(self.manifold).__name__ != "HTiling" or self.parent is None:
            raise ValueError("to_tree takes points of HTiling that have parents; give Embedding(..., parent=...).")
        tree = manifolds.HalfSpaceTree(self.parent, self._curvature)
        rows = torch.from_numpy(hang_tiles(self.parent.tolist(), self.points.numpy(), self.dim))
        return Embedding(self.labels, rows, tree, self.provenance, self.edges, None, self.weights)

    def quick(self) -> Embedding:
        """The same points as a tree where they are of HTiling and have parents, parents first; else itself.

        Metrics and pictures look at this: in a tree most nodes need not be looked at to know who is near.
        """
        if type(self.manifold).__name__ != "HTiling" or self.parent is None:
            return self
        first = int(self.parent[0]) == -1 and bool((self.parent[1:] >= 0).all())
        return self.to_tree() if first and bool((self.parent < torch.arange(self.n)).all()) else self

    def to_numpy(self, dtype: npt.DTypeLike = np.float64, model: str = "ball") -> npt.NDArray[Any]:
        """`to_tensor` as a NumPy array."""
        name = np.dtype(dtype).name
        if name not in ("float32", "float64"):
            raise ValueError(f"dtype {name} cannot hold the points; it is float32 or float64.")
        return self.to_tensor(getattr(torch, name), model).detach().cpu().numpy()

    def to_keyed_vectors(self, dtype: npt.DTypeLike = np.float64) -> Any:
        """gensim's PoincareKeyedVectors (a KeyedVectors): points in the unit ball under their labels as strings.

        Distances that gensim takes from them are those of curvature -1, from rounded points.
        """
        try:
            from gensim.models.poincare import PoincareKeyedVectors
        except ImportError:
            raise ImportError("to_keyed_vectors needs gensim: pip install gensim.") from None
        shown = (~self.hidden).tolist()
        keys = [str(label) for label, keep in zip(self.labels, shown, strict=True) if keep]
        if len(set(keys)) != len(keys):
            raise ValueError("two labels are the same when written as strings, which is how gensim keeps them.")
        vectors = self.to_numpy(dtype)[shown] * math.sqrt(-self._curvature)
        keyed = PoincareKeyedVectors(self.dim, 0, dtype=np.dtype(dtype).type)
        keyed.add_vectors(keys, vectors.astype(dtype))
        return keyed

    def to_tsv(self, path: str | os.PathLike[str]) -> None:
        """Write label TAB coordinates in the Poincare ball, one line per node, floats to their last bit."""
        for label in self.labels:
            if any(c in str(label) for c in "\t\n\r"):
                raise ValueError(f"the label {label!r} has a tab or line break, which TSV cannot hold.")
        rows = self.to_numpy().tolist()
        with _atomically(path) as file:
            for label, row, hidden in zip(self.labels, rows, self.hidden.tolist(), strict=True):
                if not hidden:
                    file.write(("\t".join([str(label), *map(repr, row)]) + "\n").encode())

    def plot(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Any:
        """Draw it on the disk; see `hypgeo.plot.disk`."""
        from hypgeo.plot import disk

        return disk(self, path, **options)

    # ---- the file ----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], bits: int | None = None, lossless: bool | None = None) -> None:
        """Write one safetensors file, whole or not at all; labels must be str or int.

        By default points are written as they are, for any reader of safetensors, except those of tilings, whose
        integers would fill the file: they are compressed without loss.

        lossless=True: compress everything, points to the last bit of every float (hypgeo.compress says how).
        bits=b: of a point of HTiling, LTiling or HalfSpaceTree, keep the integers exactly and b bits of each coordinate
          of its offset in its tile (1 to 52, for float32 to 23), which moves it by about 2^-b at most, wherever it is.
          A node of HalfSpaceTree has its tile, and moves, as its parent sees it.  `hypgeo info` says how far.

        In a compressed file edges are in sorted order.  Loading gives the same kind of embedding in any case.
        """
        labels = [int(x) if isinstance(x, np.integer) else x for x in self.labels]
        for label in labels:
            if isinstance(label, bool) or not isinstance(label, str | int):
                raise ValueError(f"the label {label!r} is neither str nor int; only those can be saved.")
        name = type(self.manifold).__name__
        if name not in _MANIFOLDS:
            raise ValueError(f"points of {name} cannot be saved.")
        self._check_bits(name, bits, lossless)
        tensors = {"points": self.points, "labels": _utf8(json.dumps(labels, ensure_ascii=False))}
        if self.parent is not None:
            tensors["parent"] = self.parent
        if self.edges is not None:
            tensors["edges"] = torch.from_numpy(self.edges)
        if self.weights is not None:
            tensors["weights"] = torch.from_numpy(self.weights)
        tensors = {part: tensor.detach().cpu().contiguous() for part, tensor in tensors.items()}
        geometry: dict[str, Any] = {"name": name}
        if name != "Euclidean":
            geometry["curvature"] = self._curvature
        if name == "HTiling":
            geometry["dim"] = self.dim
        if name == "MCHalfSpace":
            geometry["components"] = self.manifold.components
        header = {
            "format": FORMAT,
            "version": "1",
            "manifold": json.dumps(geometry),
            "provenance": json.dumps(self.provenance, default=_jsonable),
        }
        if lossless or bits is not None or name in _TILINGS:
            parts = {part: tensor.numpy() for part, tensor in tensors.items()}
            streams, facts = compress.pack(parts, name, self.dim, None if bits is None else int(bits))
            tensors = {part: _bytes(stream) for part, stream in streams.items()}
            for shift in ("largest_shift", "mean_shift"):
                facts[shift] /= math.sqrt(-geometry.get("curvature", -1.0))
            header["version"], header["compression"] = "2", json.dumps(facts)
        header["checksum"] = _checksum(header, tensors)
        data = _bytes_of(tensors, metadata=header)
        with _atomically(path) as file:
            file.write(data)

    def _check_bits(self, name: str, bits: int | None, lossless: bool | None) -> None:
        if bits is None:
            if lossless is False:
                raise ValueError("lossless=False needs bits=..., how many bits of each offset are to be kept.")
            return
        if lossless:
            raise ValueError(f"bits={bits!r} shortens offsets and lossless=True keeps them whole; give one of the two.")
        if name not in compress.SHORTENED:
            raise ValueError(
                f"points of {name} have no integer part beside which bits={bits!r} could be kept; use lossless=True "
                f"or an exact manifold ({', '.join(compress.SHORTENED)})."
            )
        most = compress.most_bits(str(self.points.dtype).removeprefix("torch."))
        if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not 1 <= bits <= most:
            raise ValueError(
                f"bits={bits!r} cannot be kept of {self.points.dtype} offsets; give 1 to {most}, or lossless=True."
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Embedding:
        """Read what `save` wrote. ValueError says why a file is refused; nothing in a file is ever executed."""
        name = f"'{path}'"
        header, tensors = _read(path, name)
        stored = None
        try:
            geometry = json.loads(header["manifold"])
            provenance = json.loads(header["provenance"])
            if "compression" in header:
                stored = json.loads(header["compression"])
                streams = {part: tensor.numpy().tobytes() for part, tensor in tensors.items()}
                parts = compress.unpack(streams, geometry["name"], stored)
                tensors = {part: torch.from_numpy(np.array(array)) for part, array in parts.items()}
                stored["sizes"] = compress.sizes(streams)
            labels = json.loads(bytes(tensors["labels"].numpy()).decode())
            points, parent = tensors["points"], tensors.get("parent")
            manifold = _manifold(geometry, parent)
            edges, weights = (tensors[part].numpy() if part in tensors else None for part in ("edges", "weights"))
            if not points.isfinite().all():
                raise ValueError("some of its points are not finite.")
            out = cls(labels, points, manifold, provenance, edges, parent, weights)
        except (KeyError, TypeError, IndexError, OverflowError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{name} lacks a part of an embedding or has it in another form ({error}).") from None
        except ValueError as error:
            raise ValueError(f"{name} does not hold a valid embedding: {error}") from None
        out.stored = stored
        return out


def _manifold(geometry: dict[str, Any], parent: Tensor | None) -> Any:
    name = geometry["name"]
    if name not in _MANIFOLDS:
        raise ValueError(f"its manifold {name!r} is unknown to this version.")
    if name == "Euclidean":
        return manifolds.Euclidean()
    curvature = float(geometry["curvature"])
    if name == "HTiling":
        return manifolds.HTiling(int(geometry["dim"]), curvature=curvature)
    if name == "MCHalfSpace":
        return manifolds.MCHalfSpace(int(geometry["components"]), curvature=curvature)
    if name == "HalfSpaceTree":
        if parent is None:
            raise ValueError("its tree has no parents.")
        return manifolds.HalfSpaceTree(parent, curvature=curvature)
    return getattr(manifolds, name)(curvature=curvature)


def _read(path: str | os.PathLike[str], name: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise ValueError(f"there is no file {name}.") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}.") from None
    if not data:
        raise ValueError(f"{name} is empty.")
    size = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
    # a safetensors file is the size of its JSON header, the header, the tensors
    if len(data) < 9 or data[8:9] != b"{" or size > 1 << 40:
        raise ValueError(f"{name} is not an embedding: it is no safetensors file.")
    if len(data) < 8 + size:
        raise ValueError(f"{name} is truncated: its header says {size:,} bytes and {len(data) - 8:,} are there.")
    try:
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    except ValueError:
        raise ValueError(f"{name} is damaged: its header is not JSON.") from None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"{name} is a safetensors file, but of something else than an hypgeo embedding.")
    version = str(metadata.get("version"))
    if not version.isdecimal() or int(version) > VERSION:
        raise ValueError(
            f"{name} has format version {version} and this hypgeo reads up to {VERSION}; a newer hypgeo-torch reads it."
        )
    try:
        tensors = _tensors_of(data)
    except SafetensorError as error:
        raise ValueError(f"{name} is truncated or damaged: {error}.") from None
    if metadata.pop("checksum", None) != _checksum(metadata, tensors):
        raise ValueError(f"{name} is damaged or was altered: its checksum does not fit what is in it.")
    return metadata, tensors


def _checksum(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _bytes(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def _utf8(text: str) -> Tensor:
    return _bytes(text.encode())


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray | Tensor):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"provenance holds {value!r}, which JSON cannot.")


def check_writable(path: str | os.PathLike[str]) -> Path:
    """The place that `path` leads to; ValueError where no file could be put there."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise ValueError(f"'{path}' is a folder; name a file to write.")
    if not target.parent.is_dir():
        raise ValueError(f"there is no folder '{target.parent}' to write '{target.name}' into.")
    return target


@contextmanager
def _atomically(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file that appears under `path` when it is complete, and not at all if anything stops its writing."""
    target = check_writable(path)
    if target.exists() and not target.is_file():  # a device or a pipe, which nothing can replace
        with target.open("wb") as file:
            yield file
        return
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise ValueError(f"'{path}' cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes files that only their owner reads
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
