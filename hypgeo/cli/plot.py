"""hypgeo plot: an embedding as a picture or as a page to move about in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hypgeo.cli.report import say

_PICTURES = (".png", ".pdf", ".svg", ".jpg")


def plot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An embedding made by hypgeo embed.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .png, .pdf, .svg or .jpg picture, or an .html page.")
    ],
) -> None:
    """Draw an embedding on the disk."""
    from hypgeo.embedding import Embedding, check_writable

    kind = output.suffix.lower()
    if kind not in (".html", *_PICTURES):
        raise ValueError(f"'{output}' names no kind of picture; end it in .html, {', '.join(_PICTURES[:-1])} or .jpg.")
    check_writable(output)
    embedding = Embedding.load(file)
    import hypgeo.plot as draw

    if kind == ".html":
        draw.html(embedding, output)
    else:
        draw.disk(embedding, output)
    say(f"wrote {output}.")
