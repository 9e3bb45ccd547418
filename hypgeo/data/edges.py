"""Graphs read from files: columns of labels, CSV, Newick, JSON."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import sys
import zlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hypgeo.data.graph import Graph, of_columns

_EXTENSIONS = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".edges": "tsv",
    ".edgelist": "tsv",
    ".csv": "csv",
    ".nwk": "newick",
    ".newick": "newick",
    ".tre": "newick",
    ".tree": "newick",
    ".json": "json",
}
_MAGIC = {
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89PNG": "a PNG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x80\x04\x95": "a Python pickle",
}
_INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,17})")
# first lines that name columns; taken for a header only where neither word is a label further down
_HEADERS = {"source", "target", "from", "to", "parent", "child", "src", "dst", "u", "v", "id1", "id2", "node1", "node2"}


def edges(path: str | PathLike[str], format: str = "auto") -> Graph:
    """The graph in a file.

    path: a file, gzipped or not; "-" reads standard input.
    format: what it holds, told from the extension, else from the content, when "auto".
      "tsv": two columns of labels and perhaps a third of lengths, separated by tabs, or by spaces where the first line
        has no tab; lines that start with # are comments.
      "csv": the same with commas or semicolons, and quotes.
      "newick": one tree, branch lengths on all branches or on none. Nameless nodes are called node_1, node_2, ... in
        the order in which the file opens them; numbers on inner nodes of a tree with named leaves are taken for
        support values, not names.
      "json": networkx's node-link form, {"edges": [[u, v], ...]}, a list of pairs, or nested
        {"name": ..., "children": [...]}.
    Labels that are all integers become int. Which column holds the parent does not matter. A first line of columns
    whose words are no labels further down is a header if its third column alone is no number, if it names columns
    (source, target; parent, child; ...), or if it alone is not made of integers.

    Raises ValueError, in one sentence with the line, for a file that holds something else.
    """
    name = "standard input" if str(path) == "-" else f"'{path}'"
    data = _uncompressed(_read(path, name), name)
    text = _text(data, name)
    if format == "auto":
        format = _guess(path, text)
    if format not in _READERS:
        raise ValueError(f"the format {format!r} is unknown; it is one of auto, {', '.join(_READERS)}.")
    if text[:6].upper() == "#NEXUS":
        raise ValueError(f"{name} is a NEXUS file; export the tree in Newick format.")
    try:
        return _READERS[format](text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _read(path: str | PathLike[str], name: str) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ValueError(f"there is no file {name}.") from None
    except IsADirectoryError:
        raise ValueError(f"{name} is a folder, not a file of edges.") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}.") from None


def _uncompressed(data: bytes, name: str) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ValueError(f"{name} is a damaged or truncated gzip file.") from None


def _text(data: bytes, name: str) -> str:
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            raise ValueError(f"{name} is {kind}, not a text file of edges.")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name} is not UTF-8 text: line {line} holds the byte 0x{data[error.start]:02x}.") from None
    if "\0" in text:
        raise ValueError(f"{name} is a binary file, not a text file of edges.")
    if not text.strip():
        raise ValueError(f"{name} is empty.")
    return text


def _guess(path: str | PathLike[str], text: str) -> str:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() != ".gz"]
    if suffixes and suffixes[-1] in _EXTENSIONS:
        return _EXTENSIONS[suffixes[-1]]
    start = text.lstrip()
    if start[0] == "(" or start[:2] == "[&":
        return "newick"
    if start[0] in "{[":
        return "json"
    first = next((line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")), "")
    return "csv" if "," in first and "\t" not in first else "tsv"


# ---- columns -------------------------------------------------------------------------------------------------------


def _tsv(text: str) -> Graph:
    rows: list[list[str]] = []
    lines, separator = [], None
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and line[0] != "#":
            if not rows and "\t" in line:
                separator = "\t"
            rows.append(line.split(separator))
            lines.append(number)
    return _of_rows(rows, lines)


def _csv(text: str) -> Graph:
    source = text.split("\n")
    first = next((line for line in source if line.strip() and not line.startswith("#")), "")
    reader = csv.reader((line + "\n" for line in source), delimiter=";" if ";" in first and "," not in first else ",")
    rows, lines = [], []
    try:
        for row in reader:
            if any(field.strip() for field in row) and not row[0].startswith("#"):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} is not CSV: {error}.") from None
    return _of_rows(rows, lines)


def _is_header(rows: list[list[str]]) -> bool:
    if len(rows) < 2 or len(rows[0]) not in (2, 3):
        return False
    head = [field.strip() for field in rows[0]]
    labels = {field.strip() for row in rows[1:] for field in row[:2]}
    if not labels.isdisjoint(head[:2]):
        return False
    if len(head) == 3 and not _is_number(head[2]) and len(rows[1]) == 3 and _is_number(rows[1][2]):
        return True
    if {field.lower() for field in head[:2]} <= _HEADERS:
        return True
    return not any(map(_INTEGER.fullmatch, head[:2])) and all(map(_INTEGER.fullmatch, labels))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _of_rows(rows: list[list[str]], lines: Sequence[int]) -> Graph:
    """A graph from rows of two labels and perhaps a length; `lines` says where each row stands in the file."""
    if not rows:
        raise ValueError("there are no edges in it.")
    if _is_header(rows):
        rows, lines = rows[1:], lines[1:]
    width = len(rows[0])
    for row, line in zip(rows, lines, strict=True):
        if len(row) not in (2, 3):
            wanted = "two labels and perhaps a length are wanted"
            raise ValueError(f"line {line} has {len(row)} column{'s' * (len(row) != 1)}; {wanted}.")
        if len(row) != width:
            raise ValueError(f"line {line} has {len(row)} columns where line {lines[0]} has {width}.")
    us, vs = [row[0].strip() for row in rows], [row[1].strip() for row in rows]
    for column in (us, vs):
        if "" in column:
            raise ValueError(f"line {lines[column.index('')]} has an empty label.")
    ends: tuple[Sequence[Hashable], Sequence[Hashable]] = us, vs
    if all(map(_INTEGER.fullmatch, set(us).union(vs))):
        ends = [int(x) for x in us], [int(x) for x in vs]
    if width == 2:
        return of_columns(*ends)
    weights = []
    for row, line in zip(rows, lines, strict=True):
        try:
            weight = float(row[2])
        except ValueError:
            raise ValueError(f"line {line} has {row[2]!r} in its third column, which is not a length.") from None
        if not 0 <= weight < math.inf:
            raise ValueError(f"line {line} has the length {weight:g}; lengths must be finite and not negative.")
        weights.append(weight)
    return of_columns(*ends, np.array(weights))


# ---- Newick --------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(?:([(),:;])|'((?:[^']|'')*)'|\[[^\]]*\]|([^()\[\],:;']+))")


def _newick_tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, value, position); kind is one of ( ) , : ; or "name". Comments in brackets are left out."""
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"{_place(text, position)} opens a quote or bracket that is never closed.")
        punctuation, quoted, plain = match.groups()
        if punctuation:
            yield punctuation, punctuation, position
        elif quoted is not None:
            yield "name", quoted.replace("''", "'"), position
        elif plain is not None:
            yield "name", plain.strip(), position
        position = match.end()


def _place(text: str, position: int) -> str:
    before = text[:position]
    return f"line {before.count(chr(10)) + 1}, column {position - before.rfind(chr(10))}"


def _newick(text: str) -> Graph:
    parent, names, lengths = [-1], [""], [math.nan]  # preorder: a node gets its number when the text opens it
    inner: set[int] = set()
    node, last, ended = 0, "(", False
    for kind, value, position in _newick_tokens(text):
        if ended:
            raise ValueError(f"{_place(text, position)} begins a second tree; one tree per file is wanted.")
        if last == ":":
            if kind != "name" or not _is_number(value):
                raise ValueError(f"{_place(text, position)} has {value!r} where a branch length is wanted.")
            lengths[node] = float(value)
            if not 0 <= lengths[node] < math.inf:
                problem = f"has the branch length {value}; lengths must be finite and not negative"
                raise ValueError(f"{_place(text, position)} {problem}.")
            last = "length"
            continue
        if kind == "(":
            if last not in "(,":
                raise ValueError(f"{_place(text, position)} has '(' where ',' or ')' is wanted.")
            inner.add(node)
            parent.append(node)
        elif kind == ",":
            if parent[node] < 0:
                raise ValueError(f"{_place(text, position)} has ',' outside all parentheses.")
            parent.append(parent[node])
        elif kind == ")":
            node = parent[node]
            if node < 0:
                raise ValueError(f"{_place(text, position)} has ')' without its '('.")
        elif kind == "name":
            if last not in "(,)":
                raise ValueError(f"{_place(text, position)} has the name {value!r} where ',' or ')' is wanted.")
            names[node] = value
        elif kind == ":" and last == "length":
            raise ValueError(f"{_place(text, position)} gives a second branch length.")
        elif kind == ";":
            ended = True
        if kind in "(,":
            node = len(parent) - 1
            names.append("")
            lengths.append(math.nan)
        last = kind
    if node != 0 or last == ":":
        raise ValueError("the Newick text ends before its last ')'." if node else "the Newick text ends after ':'.")
    return _of_parents(parent, _named(names, inner), lengths)


def _named(names: list[str], inner: set[int]) -> list[str]:
    """Names for all nodes: support values taken off, nameless nodes numbered past the names that are taken."""
    if any(name and not _is_number(name) for i, name in enumerate(names) if i not in inner):
        names = ["" if i in inner and _is_number(name) else name for i, name in enumerate(names)]
    taken = _check_distinct([name for name in names if name])
    count, done = 0, []
    for name in names:
        while not name:
            count += 1
            name = f"node_{count}" if f"node_{count}" not in taken else ""
        done.append(name)
    return done


def _check_distinct(names: Sequence[Hashable]) -> set[Hashable]:
    seen: set[Hashable] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the name {name!r} occurs twice in the tree; names must be distinct.")
        seen.add(name)
    return seen


def _of_parents(parent: Sequence[int], labels: Sequence[Hashable], lengths: Sequence[float]) -> Graph:
    """A tree from each node's parent, which stands before it (node 0 is the root); a length not given is NaN."""
    missing = np.isnan(np.asarray(lengths[1:], dtype=np.float64))
    if missing.any() and not missing.all():
        child = labels[int(np.argmax(missing)) + 1]
        raise ValueError(f"the branch to {child!r} has no length while others have one; give all or none.")
    weights = None if missing.all() else np.asarray(lengths[1:], dtype=np.float64)
    children = np.arange(1, len(parent), dtype=np.int64)
    return Graph.from_indices(list(labels), np.asarray(parent[1:], dtype=np.int64), children, weights)


# ---- JSON ----------------------------------------------------------------------------------------------------------


def _json(text: str) -> Graph:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno} is not JSON ({error.msg}).") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply; use Newick or an edge list for such a tree.") from None
    if isinstance(data, dict) and "children" in data:
        return _of_nested(data)
    nodes: list[Any] = []
    if isinstance(data, dict):
        nodes = data.get("nodes", [])
        data = data.get("edges", data.get("links"))
    if not isinstance(data, list) or not isinstance(nodes, list):
        raise ValueError(
            'the JSON holds no edges; wanted is {"edges": [[u, v], ...]}, node-link form, or a nested tree.'
        )
    rows = [_json_edge(i, edge) for i, edge in enumerate(data)]
    if not nodes:
        return Graph.of(_all_or_no_lengths(rows))
    labels = [_json_label(node.get("id") if isinstance(node, dict) else node, "a node") for node in nodes]
    index = {label: i for i, label in enumerate(labels)}
    if len(index) != len(labels):
        raise ValueError("two nodes have the same id; ids must be distinct.")
    for i, row in enumerate(rows):
        for end in row[:2]:
            if end not in index:
                raise ValueError(f"edge {i} ends at {end!r}, which is not among the nodes.")
    rows = _all_or_no_lengths(rows)
    ends = np.array([[index[row[0]], index[row[1]]] for row in rows], dtype=np.int64).reshape(-1, 2)
    weights = np.array([row[2] for row in rows], dtype=np.float64) if rows and len(rows[0]) == 3 else None
    return Graph.from_indices(labels, ends[:, 0], ends[:, 1], weights)


def _json_edge(i: int, edge: Any) -> tuple[Any, ...]:
    if isinstance(edge, dict):
        edge = [edge.get("source"), edge.get("target"), edge.get("weight", edge.get("length"))]
    if not isinstance(edge, list) or len(edge) not in (2, 3):
        raise ValueError(f"edge {i} is {edge!r}, not [u, v], [u, v, length] or an object with source and target.")
    u, v = (_json_label(end, f"edge {i}") for end in edge[:2])
    if len(edge) == 2 or edge[2] is None:
        return u, v
    return u, v, _json_length(edge[2], f"edge {i}")


def _json_label(value: Any, where: str) -> Hashable:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{where} has the label {value!r}; labels are strings or integers.")


def _json_length(value: Any, where: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max:
        return float(value)
    raise ValueError(f"{where} has the length {value!r}; lengths must be finite numbers, not negative.")


def _all_or_no_lengths(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"edge {i} {'has a' if len(row) == 3 else 'has no'} length, unlike edge 0; give all or none."
            )
    return rows


def _of_nested(data: dict[str, Any]) -> Graph:
    parent, labels, lengths = [], [], []
    stack = [(-1, data)]
    while stack:
        above, item = stack.pop()
        if not isinstance(item, dict):
            raise ValueError(f"a child of {labels[above]!r} is {item!r}, not an object with a name.")
        label = _json_label(item.get("name", item.get("id")), "a node of the nested tree")
        length = item.get("length")
        parent.append(above)
        labels.append(label)
        lengths.append(math.nan if length is None else _json_length(length, f"the node {label!r}"))
        below = item.get("children") or []
        if not isinstance(below, list):
            raise ValueError(f"the children of {label!r} are not a list.")
        stack.extend((len(parent) - 1, child) for child in reversed(below))
    _check_distinct(labels)
    return _of_parents(parent, labels, lengths)


_READERS: dict[str, Callable[[str], Graph]] = {"tsv": _tsv, "csv": _csv, "newick": _newick, "json": _json}
