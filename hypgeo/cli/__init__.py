"""The command `hypgeo`: parses, calls the library, prints. Tables go to standard output, everything else to the error one."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer

from hypgeo.cli.embed import embed
from hypgeo.cli.evaluate import evaluate
from hypgeo.cli.info import info
from hypgeo.cli.plot import plot
from hypgeo.cli.report import say

app = typer.Typer(
    help="Embed hierarchies in hyperbolic space, measure what was kept, and draw them.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (embed, evaluate, plot, info):
    app.command()(_command)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
):  # type: ignore[no-untyped-def]
    if version:
        from importlib.metadata import version as installed

        print(installed("hypgeo-torch"))
    elif context.invoked_subcommand is None:
        print(context.get_help())


def _warn(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    say(f"warning: {message}")


def main(args: list[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 done, 1 bad input, 2 wrong usage, 130 interrupted."""
    warnings.showwarning = _warn
    try:
        code = app(args, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (ValueError, OSError, ImportError) as error:
        say(error)
        code = 1
    except Exception as error:
        # the parser's errors are not public in every typer; they alone know their message and exit code
        if not hasattr(error, "format_message"):
            raise
        say(error.format_message())
        code = getattr(error, "exit_code", 2)
    sys.exit(code if isinstance(code, int) else 0)
