"""The state of a training in one safetensors file, whole at any moment, so that a killed run can be taken up."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hypgeo.embedding import _atomically, _checksum

FORMAT, VERSION = "hypgeo-training", "1"


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to go on: nothing is drawn from a generator with a state, so the epoch stands for it.

    points: the table of points after `epoch` epochs; losses: (epoch,) the mean loss of each.
    """

    points: Tensor
    losses: Tensor

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.losses)

    def save(self, path: str | os.PathLike[str], settings: Mapping[str, Any], data: str) -> None:
        """Write the file in one step: what stood there before is replaced by all of it or stays."""
        tensors = {"points": self.points.detach().contiguous(), "losses": self.losses}
        header = {"format": FORMAT, "version": VERSION, "settings": json.dumps(settings, sort_keys=True), "data": data}
        header["checksum"] = _checksum(header, tensors)
        whole = save(tensors, metadata=header)
        with _atomically(path) as file:
            file.write(whole)

    @classmethod
    def load(cls, path: str | os.PathLike[str], settings: Mapping[str, Any], data: str) -> Checkpoint | None:
        """The state of the same training, None where there is no file; ValueError says why a file is refused."""
        if not Path(path).exists():
            return None
        try:
            with safe_open(os.fspath(path), "pt") as file:
                header = dict(file.metadata() or {})
                names = list(file.keys())
                tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError) as error:
            raise ValueError(f"the checkpoint '{path}' is damaged or is none ({error}); remove it.") from None
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            raise ValueError(f"'{path}' is a file of something else than a training of this version; name another.")
        if header.pop("checksum", None) != _checksum(header, tensors):
            raise ValueError(f"the checkpoint '{path}' is damaged: its checksum does not fit what is in it; remove it.")
        if header["data"] != data:
            raise ValueError(f"the checkpoint '{path}' was made from other pairs than these; name another file.")
        made = json.loads(header["settings"])
        wanted = json.loads(json.dumps(settings))
        for name in sorted({*made, *wanted}):
            if made.get(name) != wanted.get(name):
                raise ValueError(
                    f"the checkpoint '{path}' was made with {name}={made.get(name)!r}, not {wanted.get(name)!r}; "
                    "give the same settings or name another file."
                )
        return cls(tensors["points"], tensors["losses"])
