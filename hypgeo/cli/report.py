"""How the commands speak: tables or JSON on standard output, sentences on the error output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

_MANY = 8  # items of a list that a table shows


def say(message: object) -> None:
    """One line on the error output."""
    print("hypgeo:", " ".join(str(message).split()), file=sys.stderr, flush=True)


def progress() -> bool:
    """Whether anybody sees a progress bar."""
    return sys.stderr.isatty()


def report(rows: Mapping[str, Any], as_json: bool) -> None:
    """Print a table of two columns, or one JSON object whose keys are the rows' names with underscores."""
    if as_json:
        print(json.dumps({name.replace(" ", "_"): value for name, value in rows.items()}, indent=2, default=str))
        return
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {_shown(value)}")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        more = f" and {len(value) - _MANY:,} more" if len(value) > _MANY else ""
        return (
            ", ".join(" - ".join(map(str, x)) if isinstance(x, list) else _shown(x) for x in value[:_MANY]) + more
            or "-"
        )
    return str(value)
