"""Trees along which a disease spreads, as PyTorch Geometric data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.utils import to_undirected

from hypgeo.data.local import fetch, folders
from hypgeo.data.split import stratified

__all__ = ["Disease"]


class Disease(InMemoryDataset):
    """A tree of contacts along which an infection spreads: for link prediction as published, or simulated.

    task "link_prediction": the 2,665 nodes and 2,664 edges of Chami et al., "Hyperbolic Graph Convolutional Neural
    Networks", 2019, with their 11 features.  The last of them says where in the tree a node sits, and all but gives
    the edges away.
    Read from hgcn/disease_lp, found as ``hypgeo.data.local.find`` says.

    task "node_classification": who gets infected.  The features of the published data are lost, so this is a
    simulation by the paper's description, made by :func:`simulate` from ``seed``; figures compare with those of other
    models on the same seed, not with published ones.

    ``root`` is where PyG keeps what it made, the user's cache folder when left out.
    """

    FILES: ClassVar[dict[str, str]] = {
        "edges.tsv": "f0e2c251b689ef313a71b20f16b3533c23eeb2df78f7b1bc46b7cba9bfc9c713",
        "features.npy": "2f238563e6142b873ecb9414fdc40205c0861ecfe9000cd02cffdfdc73ed6fd3",
        "labels.npy": "8f2b26602764fbb785b93775d9f71194f1f36920e185af8bc5c31aea07dde858",
    }

    def __init__(
        self,
        root: str | Path | None = None,
        transform: Callable[..., Any] | None = None,
        pre_transform: Callable[..., Any] | None = None,
        force_reload: bool = False,
        *,
        task: Literal["link_prediction", "node_classification"] = "link_prediction",
        seed: int = 0,
    ) -> None:
        if task not in ("link_prediction", "node_classification"):
            raise ValueError(f"Disease: task must be 'link_prediction' or 'node_classification', got {task!r}")
        self.task, self.seed = task, seed
        super().__init__(str(root or folders()[-1] / "disease"), transform, pre_transform, force_reload=force_reload)
        self.load(self.processed_paths[0])

    @property
    def raw_file_names(self) -> list[str]:
        return list(self.FILES) if self.task == "link_prediction" else []

    @property
    def processed_file_names(self) -> str:
        return "published.pt" if self.task == "link_prediction" else f"simulated-{self.seed}.pt"

    def download(self) -> None:
        for name in self.raw_file_names:
            fetch(f"hgcn/disease_lp/{name}", self.FILES[name], Path(self.raw_dir), "the Disease files of HGCN")

    def process(self) -> None:
        if self.task == "node_classification":
            x, edges, y = simulate(self.seed)
            data = Data(x=x, edge_index=to_undirected(edges, num_nodes=len(y)), y=y)
            data.train_mask, data.val_mask, data.test_mask = stratified(y, 0.1, 0.6, self.seed)
        else:
            folder = Path(self.raw_dir)
            edges = torch.from_numpy(np.loadtxt(folder / "edges.tsv", dtype=np.int64).T.copy())
            y = torch.from_numpy(np.load(folder / "labels.npy", allow_pickle=False)).long()
            x = torch.from_numpy(np.load(folder / "features.npy", allow_pickle=False)).float()
            data = Data(x=x, edge_index=to_undirected(edges, num_nodes=len(y)), y=y)
        self.save([data if self.pre_transform is None else self.pre_transform(data)], self.processed_paths[0])


def simulate(seed: int, nodes: int = 1044, features: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    """A tree of contacts, who of it was infected, and noisy readings of how susceptible everyone is.

    Every node in breadth-first order meets 3 to 6 others, until there are ``nodes`` of them.  The first is infected,
    and each contact of an infected node with its own susceptibility, uniform in (0.25, 1), nobody else; an outbreak
    that reaches less than a tenth of the nodes is drawn again.  Features are the susceptibility plus independent
    normal noise of standard deviation 0.5.  -> (nodes, features), (2, nodes - 1), (nodes).
    """
    rng = np.random.default_rng(seed)
    parent = np.zeros(nodes, dtype=np.int64)
    made = 1
    for node in range(nodes):
        more = min(int(rng.integers(3, 7)), nodes - made)
        parent[made : made + more] = node
        made += more
    sick = np.zeros(nodes, dtype=bool)
    while sick.mean() < 0.1:
        susceptible, luck = rng.uniform(0.25, 1.0, nodes), rng.random(nodes)
        sick[0] = True
        for node in range(1, nodes):
            sick[node] = sick[parent[node]] and luck[node] < susceptible[node]
    x = susceptible[:, None] + 0.5 * rng.standard_normal((nodes, features))
    edges = np.stack([parent[1:], np.arange(1, nodes)])
    return torch.from_numpy(x).float(), torch.from_numpy(edges), torch.from_numpy(sick.astype(np.int64))
