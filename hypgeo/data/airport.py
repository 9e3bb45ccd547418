"""Airports and the routes between them, as a PyTorch Geometric data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.utils import index_to_mask, to_undirected

from hypgeo.data.local import fetch, folders
from hypgeo.data.split import stratified

__all__ = ["Airport"]


class Airport(InMemoryDataset):
    """3,188 airports (4 without a route), 18,630 routes, 4 classes of the population of an airport's country.

    Chami et al., "Hyperbolic Graph Convolutional Neural Networks", 2019, from OpenFlights (ODbL).  Features are
    latitude, longitude, altitude and the country's GDP, scaled; ``population=True`` adds the population, as published
    link prediction does: the classes are made of that column, so it must not be there when they are predicted.

    split: "stratified": 70 % of each class for training, 15 % each for validation and test, by ``seed``.
    "published": the split of the paper's code at seed 1234, for comparison only: it lists nodes of two classes twice,
    so that 225 of its 506 test nodes and 246 of its 505 validation nodes are training nodes, too.

    Read from hgcn/airport, found as ``hypgeo.data.local.find`` says; ``root`` is where PyG keeps what it made of it,
    the user's cache folder when left out.
    """

    FILES: ClassVar[dict[str, str]] = {
        "edges.tsv": "fbb063c2f945ca17226ebbcebfac9a7b64b7347be34ac8baf234e39c4d5c66ff",
        "features_raw.npy": "0f6591a989c024c5f651439f9fa8d509f5f285a7f05b28b3d22ea3b40d34ff2e",
        "labels.npy": "71d56abd4053b856ea98663a7f39bffa7e81a12b849dc18c968192fb612f8284",
        "split_nc_seed1234.npz": "82ff478a88e92c89e75a58d1f516a8f7982f994d4955413009a39feedb0d7d1d",
    }

    def __init__(
        self,
        root: str | Path | None = None,
        transform: Callable[..., Any] | None = None,
        pre_transform: Callable[..., Any] | None = None,
        force_reload: bool = False,
        *,
        split: Literal["stratified", "published"] = "stratified",
        population: bool = False,
        seed: int = 0,
    ) -> None:
        if split not in ("stratified", "published"):
            raise ValueError(f"Airport: split must be 'stratified' or 'published', got {split!r}")
        super().__init__(str(root or folders()[-1] / "airport"), transform, pre_transform, force_reload=force_reload)
        self.load(self.processed_paths[0])
        data: Any = self._data
        if not population:
            data.x = data.x[:, :4].contiguous()
        if split == "stratified":
            data.train_mask, data.val_mask, data.test_mask = stratified(data.y, 0.15, 0.15, seed)

    @property
    def raw_file_names(self) -> list[str]:
        return list(self.FILES)

    @property
    def processed_file_names(self) -> str:
        return "data.pt"

    def download(self) -> None:
        for name, sha256 in self.FILES.items():
            fetch(f"hgcn/airport/{name}", sha256, Path(self.raw_dir), "the Airport files of HGCN")

    def process(self) -> None:
        folder = Path(self.raw_dir)
        edges = np.loadtxt(folder / "edges.tsv", dtype=np.int64)
        y = torch.from_numpy(np.load(folder / "labels.npy", allow_pickle=False)).long()
        edges = edges[edges[:, 0] != edges[:, 1]]
        data = Data(
            x=torch.from_numpy(np.load(folder / "features_raw.npy", allow_pickle=False)).float(),
            edge_index=to_undirected(torch.from_numpy(edges.T.copy()), num_nodes=len(y)),
            y=y,
        )
        with np.load(folder / "split_nc_seed1234.npz", allow_pickle=False) as published:
            for part in ("train", "val", "test"):
                key = next(k for k in published.files if k.startswith(part))
                data[f"{part}_mask"] = index_to_mask(torch.from_numpy(published[key]).long(), len(y))
        self.save([data if self.pre_transform is None else self.pre_transform(data)], self.processed_paths[0])
