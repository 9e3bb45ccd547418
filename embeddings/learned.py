"""Learnt embeddings in the plane: float64 against several components, and every model at equal epochs.

    python embeddings/learned.py                             every row of both tables
    python embeddings/learned.py --only models HTiling       some: a table, and models of it
    python embeddings/learned.py --write                     also embeddings/learned.json and embeddings/learned.md

--write keeps the rows that were not measured anew, so that the tables can be made piece by piece.

Data: the closure of WordNet's mammals (6,540 pairs of 1,180 nodes, each with its ancestors) and the Gr-QC collaboration
graph (13,422 edges of 4,158 nodes, both ways), below $HYPGEO_DATA.  Mean rank and MAP are Nickel and Kiela's, on the
pairs that were trained on (hypgeo.metrics.reconstruction).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine

from hypgeo import HalfSpace, HTiling, LearnedEmbedder, Lorentz, LTiling, MCHalfSpace, PoincareBall, data
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
    "LTiling": LTiling,
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


Row = dict[str, Any]


def measure(pairs: Pairs, model: str, seed: int, settings: dict[str, Any]) -> Row:
    """Learn one embedding: its figures, and the seconds of one core that it took."""
    start = time.process_time()
    made = LearnedEmbedder(MODELS[model](), seed=seed, progress=sys.stderr.isatty(), **settings).fit(pairs)
    seconds = time.process_time() - start
    found = reconstruction(pairs, made.embedding_)
    return {
        "model": model,
        "seed": seed,
        "epochs": settings["epochs"],
        "lr": settings["lr"],
        "rank": found.mean_rank,
        "map": found.mean_average_precision,
        "loss": float(made.losses_[-1]),
        "radius": made.embedding_.radius,
        "seconds": seconds,
        "engine": made.embedding_.provenance["engine"],
        "machine": machine(),
    }


def run(only: str | None, names: Sequence[str], epochs: int, seeds: int) -> Iterator[Row]:
    """The rows of both tables, or of one, as they are measured."""
    if only != "models":
        pairs = mammals()
        for model in [model for model in COMPONENTS if not names or model in names]:
            for seed in range(seeds):
                row = measure(pairs, model, seed, {**PUBLISHED, "epochs": epochs})
                yield {"table": "components", "data": "mammals", **row}
    if only != "components":
        for name, read in DATA.items():
            pairs = read()
            settings = {**CHOSEN, "epochs": max(1, round(epochs * SHORTER.get(name, 1)))}
            for model in [model for model in MODELS if not names or model in names]:
                yield {"table": "models", "data": name, **measure(pairs, model, 0, settings)}


def merged(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Rows in the order of the tables; a new one takes the place of what was measured of the same."""

    def key(row: Row) -> tuple[Any, ...]:
        places = (["components", "models"], [*DATA], [*MODELS])
        return *(p.index(row[k]) for p, k in zip(places, ("table", "data", "model"), strict=True)), row["seed"]

    kept = {key(row): row for row in [*old, *new] if row["model"] in MODELS and row["data"] in DATA}
    return [kept[k] for k in sorted(kept)]


def components(rows: Sequence[Row]) -> str:
    """Means and standard deviations over seeds, beside what the reference prints."""
    cells = [["", "mean rank", "MAP", "loss", "seconds", "seeds"]]
    for name, (rank, precision, loss, seconds) in REFERENCE.items():
        cells.append([name, f"{rank:.3f}", f"{precision:.4f}", f"{loss:.4f}", f"{seconds:,.0f}", "1"])
    for model in COMPONENTS:
        found = [row for row in rows if row["table"] == "components" and row["model"] == model]
        if not found:
            continue
        line = [model]
        for key, digits in (("rank", 3), ("map", 4), ("loss", 4)):
            values = [row[key] for row in found]
            spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
            line.append(f"{np.mean(values):.{digits}f} ± {spread:.{digits}f}")
        cells.append([*line, f"{np.mean([row['seconds'] for row in found]):.1f}", str(len(found))])
    return table(cells)


def models(rows: Sequence[Row]) -> str:
    """Every model on every data set."""
    cells = [["data", "epochs", "model", "mean rank", "MAP", "loss", "radius", "seconds", "engine"]]
    for row in rows:
        if row["table"] == "models":
            figures = [f"{row['rank']:.3f}", f"{row['map']:.4f}", f"{row['loss']:.4f}", f"{row['radius']:.1f}"]
            cells.append(
                [row["data"], f"{row['epochs']:,}", row["model"], *figures, f"{row['seconds']:.1f}", row["engine"]]
            )
    return table(cells)


def table(rows: list[list[str]]) -> str:
    """Markdown."""
    width = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join([row[0].ljust(width[0]), *map(str.rjust, row[1:], width[1:])]) + " |" for row in rows]
    rule = "|" + "|".join(["-" * (width[0] + 2), *("-" * (w + 1) + ":" for w in width[1:])]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def report(rows: Sequence[Row]) -> str:
    """Both tables, as far as there are rows for them."""
    parts = []
    if any(row["table"] == "components" for row in rows):
        parts.append(
            "## Mammals, the half-space: float64 against several components\n\nThe reference's settings, lr "
            f"{PUBLISHED['lr']}; mean and standard deviation over seeds. The reference's rows are one run of its "
            f"notebook, on a machine that it does not name.\n\n{components(rows)}"
        )
    if any(row["table"] == "models" for row in rows):
        parts.append(f"## Every model at equal epochs\n\nlr {CHOSEN['lr']}, seed 0.\n\n{models(rows)}")
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see the head of this file."""
    parser = argparse.ArgumentParser(description="Learn embeddings of mammals and Gr-QC in the plane.")
    parser.add_argument("models", nargs="*", metavar="model", help=f"models (all): {', '.join(MODELS)}")
    parser.add_argument("--only", choices=["components", "models"], help="one table alone")
    parser.add_argument("--epochs", type=int, default=PUBLISHED["epochs"], help="rounds over the pairs (1000)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of the first table ({SEEDS})")
    parser.add_argument("--write", action="store_true", help="write learned.json and learned.md beside this file")
    asked = parser.parse_args(argv)
    unknown = [model for model in asked.models if model not in MODELS]
    if unknown:
        parser.error(f"there is no model {unknown[0]!r}; there are {', '.join(MODELS)}.")
    kept, rows = FOLDER / "learned.json", []
    for row in run(asked.only, asked.models, asked.epochs, asked.seeds):
        rows.append(row)
        told = f"{row['data']}, {row['model']}, seed {row['seed']}: mean rank {row['rank']:.3f}, MAP {row['map']:.4f}"
        print(f"{told}, {row['seconds']:.1f} s", file=sys.stderr, flush=True)
        if asked.write:  # row by row, so that nothing is lost when it is stopped
            whole = merged(json.loads(kept.read_text()) if kept.exists() else [], [row])
            kept.write_text(json.dumps(whole, indent=1) + "\n")
            on = " and on ".join(dict.fromkeys(row["machine"] for row in whole))
            (FOLDER / "learned.md").write_text(HEAD.format(machine=on) + report(whole) + "\n")
    print(report(merged([], rows)))
    return 0


HEAD = """# What is learnt in the plane

Written by `python embeddings/learned.py --write`. Two dimensions; 20 epochs at a hundredth of the rate, batches of 32,
50 negatives, distances times 0.3 in the softmax. Measured on {machine}.

- *Mean rank* and *MAP* are Nickel and Kiela's, on the pairs that were trained on; mammals have each node with each of
  its ancestors, Gr-QC each edge both ways.
- *Seconds* are processor time of one thread, on a shared machine; the reference's are what its clock showed. *Engine*
  is the compiled epoch, or the manifold's verbs under autograd.
- *Radius* is the largest distance from the origin; float64 points of the ball end at 37.
- Runs that round differently end apart: with one seed, models differ about as much as seeds do. The rate of the second
  table is the best of 1.7, 3, 5 and 15 on mammals in the half-space.

"""


if __name__ == "__main__":
    sys.exit(main())
