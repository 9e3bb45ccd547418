"""Runs the notebooks and stores their outputs: python notebooks/execute.py [NOTEBOOK...]

They run in an empty folder and without $HYPGEO_DATA, as on a stranger's machine; pictures are stored with few colours.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent


def executed(path: Path, folder: Path) -> Any:
    """The notebook with the outputs of a run in `folder`; an exception where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    environment = {key: value for key, value in os.environ.items() if key != "HYPGEO_DATA"}
    environment["PYTHONWARNINGS"] = "ignore:IProgress"  # tqdm misses a widget, and says where it is installed
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)
    return notebook


def store(notebook: Any, path: Path) -> None:
    """Writes a notebook that was run, without what differs between machines."""
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
                small = io.BytesIO()
                few = picture.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
                few.save(small, "png", optimize=True)
                data["image/png"] = base64.b64encode(small.getvalue()).decode()
            if "text/html" in data:
                data.pop("text/plain", None)  # holds an address
    nbformat.write(notebook, path)


def main() -> None:
    """The command; see the head of this file."""
    for path in [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            store(executed(path, Path(folder)), path)
        print(path.name)


if __name__ == "__main__":
    main()
