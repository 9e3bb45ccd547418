"""Make the bundled mammals.tsv from WordNet's own files (Debian's wordnet-base): the nouns under mammal.n.01.

python -m hypgeo.data.make_mammals /usr/share/wordnet hypgeo/data/mammals.tsv
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

NOTICE = """\
# The hypernyms below mammal.n.01 in WordNet 3.0: child TAB parent.
# WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  Licence: LICENSE-WordNet.
"""


def synsets(data: Iterable[str]) -> dict[str, tuple[str, list[str]]]:
    """Offset -> (first lemma, offsets of the hypernyms), from the lines of data.noun (format: wndb(5WN))."""
    found = {}
    for line in data:
        if line.startswith(" "):  # the licence
            continue
        fields = line.split(" | ")[0].split()
        words = int(fields[3], 16)  # each with its lex_id
        pointers = fields[5 + 2 * words :]  # symbol, offset, part of speech, source and target word
        hypernyms = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")]
        found[fields[0]] = (fields[4].lower(), hypernyms)
    return found


def senses(index: Iterable[str]) -> dict[str, list[str]]:
    """Lemma -> offsets of its synsets, first sense first, from the lines of index.noun."""
    found = {}
    for line in index:
        if not line.startswith(" "):
            fields = line.split()
            found[fields[0]] = fields[-int(fields[2]) :]
    return found


def below(data: Iterable[str], index: Iterable[str], root: str) -> list[tuple[str, str]]:
    """(child, parent) of all hypernym links between synsets under `root`, sorted; names as lemma.n.NN, NN the sense."""
    nouns, order = synsets(data), senses(index)
    names = {at: f"{lemma}.n.{order[lemma].index(at) + 1:02d}" for at, (lemma, _) in nouns.items()}
    children = defaultdict(list)
    for at, (_, hypernyms) in nouns.items():
        for above in hypernyms:
            children[above].append(at)
    start = next((at for at, name in names.items() if name == root), None)
    if start is None:
        raise ValueError(f"there is no synset {root!r} in these files.")
    reached, links = {start}, []
    stack = [start]
    while stack:
        above = stack.pop()
        for at in children[above]:
            links.append((names[at], names[above]))
            if at not in reached:
                reached.add(at)
                stack.append(at)
    return sorted(links)


def main(source: str, target: str) -> None:
    """Write `target` from the data.noun and index.noun in the folder `source`."""
    data, index = (Path(source, name).read_text(encoding="utf-8").splitlines() for name in ("data.noun", "index.noun"))
    lines = [f"{child}\t{parent}\n" for child, parent in below(data, index, "mammal.n.01")]
    Path(target).write_text(NOTICE + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
