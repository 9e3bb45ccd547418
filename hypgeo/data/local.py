"""Where data sets that do not come with the package are looked for."""

from __future__ import annotations

import hashlib
import os
import shutil
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


def fetch(name: str, sha256: str, folder: Path, what: str) -> None:
    """Copy a data file into a folder, refusing one whose bytes are not the expected ones."""
    source = find(name, what)
    found = hashlib.sha256(source.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f"'{source}' is not the file that is expected: its SHA-256 is {found}, wanted was {sha256}; replace it."
        )
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{source.name}.part"
    shutil.copyfile(source, part)
    part.replace(folder / source.name)
