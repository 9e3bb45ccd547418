"""Where data sets that do not come with the package are looked for."""

from __future__ import annotations

import os
from pathlib import Path


def folders() -> list[Path]:
    """$HYPGEO_DATA where it is set, then hypgeo/ in the user's cache folder ($XDG_CACHE_HOME, else ~/.cache)."""
    own = os.environ.get("HYPGEO_DATA")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return [*([Path(own)] if own else []), Path(cache) / "hypgeo"]


def find(name: str, what: str) -> Path:
    """The path of a data file, `name` relative to the folders above; `what` says in the error what the file holds.

    Nothing is downloaded: no public address serves these files with a checksum.
    """
    for folder in folders():
        if (folder / name).is_file():
            return folder / name
    looked = " or ".join(f"'{folder}'" for folder in folders())
    raise ValueError(f"there is no {name} in {looked}; put {what} there, or set HYPGEO_DATA to the folder that has it.")
