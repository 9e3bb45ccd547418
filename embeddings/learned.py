"""Learnt embeddings in the plane: float64 against several components, and every model at equal epochs.

    python embeddings/learned.py                     both tables
    python embeddings/learned.py --only models       one of them: components, models
    python embeddings/learned.py --write             also embeddings/learned.md

Data: the closure of WordNet's mammals (6,540 pairs of 1,180 nodes, each with its ancestors) and the Gr-QC collaboration
graph (13,422 edges of 4,158 nodes, both ways), below $HYPGEO_DATA.  Mean rank and MAP are Nickel and Kiela's, on the
pairs that were trained on (hypgeo.metrics.reconstruction).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine

from hypgeo import HalfSpace, HTiling, LearnedEmbedder, Lorentz, MCHalfSpace, PoincareBall, data
from hypgeo.data import Pairs
from hypgeo.data.local import find
from hypgeo.metrics import reconstruction

FOLDER = Path(__file__).parent
# T. Yu, C. De Sa. Representing hyperbolic space accurately using multi-component floats. NeurIPS 2021: their notebook
PUBLISHED: dict[str, Any] = {"epochs": 1000, "lr": 1.7, "scale": 0.3, "batch_size": 32, "negatives": 50, "burn_in": 20}
CHOSEN = {**PUBLISHED, "lr": 3.0}  # of 1.7, 3, 5 and 15 on mammals, half-space float64
SEEDS = 5
MODELS: dict[str, Callable[[], Any]] = {
    "PoincareBall": PoincareBall,
    "Lorentz": Lorentz,
    "HalfSpace": HalfSpace,
    "MCHalfSpace, N = 2": MCHalfSpace,
    "HTiling": HTiling,
}
COMPONENTS = ("HalfSpace", "MCHalfSpace, N = 2")
REFERENCE = {  # what that notebook printed: mean rank, MAP, loss, seconds
    "reference, float64": (1.548, 0.9106, 0.2139, 309.0),
    "reference, two components": (1.526, 0.9148, 0.2106, 5606.0),
}


def mammals() -> Pairs:
    """Each mammal with each of its ancestors."""
    text = find("wordnet/mammal_closure.tsv", "the closure of WordNet's mammals").read_text()
    return Pairs.of([tuple(line.split("\t")) for line in text.splitlines()])


def grqc() -> Pairs:
    """Authors of papers on general relativity, each with each co-author."""
    return Pairs.of(data.edges(find("hyperbolics/graphs/grqc.edges", "an edge list")))


DATA: dict[str, Callable[[], Pairs]] = {"mammals": mammals, "Gr-QC": grqc}
SHORTER = {"Gr-QC": 0.3}  # of the epochs: it has four times the pairs


def measure(pairs: Pairs, model: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Learn one embedding: its figures, and the seconds of one core that it took."""
    start = time.process_time()
    made = LearnedEmbedder(MODELS[model](), seed=seed, progress=sys.stderr.isatty(), **settings).fit(pairs)
    seconds = time.process_time() - start
    found = reconstruction(pairs, made.embedding_)
    return {
        "mean rank": found.mean_rank,
        "MAP": found.mean_average_precision,
        "loss": made.losses_[-1],
        "radius": made.embedding_.radius,
        "seconds": seconds,
        "engine": made.embedding_.provenance["engine"],
    }


def components(settings: dict[str, Any], seeds: int) -> str:
    """The half-space in float64 and in several components, over seeds, beside what the reference prints."""
    rows = [["", "mean rank", "MAP", "loss", "seconds"]]
    for name, (rank, precision, loss, seconds) in REFERENCE.items():
        rows.append([name, f"{rank:.3f}", f"{precision:.4f}", f"{loss:.4f}", f"{seconds:,.0f}"])
    pairs = mammals()
    for model in COMPONENTS:
        found = [measure(pairs, model, seed, settings) for seed in range(seeds)]
        cells = [model]
        for key, digits in (("mean rank", 3), ("MAP", 4), ("loss", 4)):
            values = [row[key] for row in found]
            cells.append(f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1 if seeds > 1 else 0):.{digits}f}")
        rows.append([*cells, f"{np.mean([row['seconds'] for row in found]):.1f}"])
        say(rows[-1])
    return table(rows)


def models(settings: dict[str, Any]) -> str:
    """Every model on every data set, one seed."""
    rows = [["data", "epochs", "model", "mean rank", "MAP", "loss", "radius", "seconds", "engine"]]
    for name, read in DATA.items():
        pairs = read()
        shorter = {**settings, "epochs": max(1, round(settings["epochs"] * SHORTER.get(name, 1)))}
        for model in MODELS:
            row = measure(pairs, model, 0, shorter)
            figures = [f"{row['mean rank']:.3f}", f"{row['MAP']:.4f}", f"{row['loss']:.4f}", f"{row['radius']:.1f}"]
            rows.append([name, f"{shorter['epochs']:,}", model, *figures, f"{row['seconds']:.1f}", row["engine"]])
            say(rows[-1])
    return table(rows)


def say(row: list[str]) -> None:
    """A row as soon as it is there."""
    print("  ".join(row), file=sys.stderr, flush=True)


def table(rows: list[list[str]]) -> str:
    """Markdown."""
    width = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join([row[0].ljust(width[0]), *map(str.rjust, row[1:], width[1:])]) + " |" for row in rows]
    rule = "|" + "|".join(["-" * (width[0] + 2), *("-" * (w + 1) + ":" for w in width[1:])]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the head of this file."""
    parser = argparse.ArgumentParser(description="Learn embeddings of mammals and Gr-QC in the plane.")
    parser.add_argument("--only", choices=["components", "models"], help="one table alone")
    parser.add_argument("--epochs", type=int, default=PUBLISHED["epochs"], help="rounds over the pairs (1000)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of the first table ({SEEDS})")
    parser.add_argument("--write", action="store_true", help="write learned.md beside this file")
    asked = parser.parse_args(argv)
    parts = []
    if asked.only != "models":
        found = components({**PUBLISHED, "epochs": asked.epochs}, asked.seeds)
        parts.append(
            f"## Mammals, the half-space: float64 against several components\n\nThe reference's settings, lr "
            f"{PUBLISHED['lr']}: mean and standard deviation over {asked.seeds} seeds. The reference's rows are one "
            f"run of its notebook on a machine it does not name.\n\n{found}"
        )
    if asked.only != "components":
        found = models({**CHOSEN, "epochs": asked.epochs})
        parts.append(f"## Every model at equal epochs\n\nlr {CHOSEN['lr']}, seed 0.\n\n{found}")
    text = "\n\n".join(parts)
    print(text)
    if asked.write:
        (FOLDER / "learned.md").write_text(HEAD.format(epochs=asked.epochs, machine=machine()) + text + "\n")
    return 0


HEAD = """# What is learnt in the plane

Written by `python embeddings/learned.py --write`. Two dimensions, {epochs} epochs of which 20 at a hundredth of the
rate, batches of 32, 50 negatives, distances times 0.3 in the softmax. Measured on {machine}.

- *Mean rank* and *MAP* are Nickel and Kiela's, on the pairs that were trained on; mammals have each node with each of
  its ancestors, Gr-QC each edge both ways.
- *Seconds* are those of one core; *engine* is the compiled epoch, or the manifold's verbs under autograd.
- Points beyond radius 37 are where float64 ends in the ball.

"""


if __name__ == "__main__":
    sys.exit(main())
