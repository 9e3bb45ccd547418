"""The command `hypgeo`: parses, calls, prints. Tables go to standard output, sentences to the error output."""

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
app.command(short_help="Embed a hierarchy.")(embed)
app.command(short_help="Measure what an embedding kept of its graph.")(evaluate)
app.command(short_help="Draw an embedding.")(plot)
app.command(short_help="Describe this installation, or a file.")(info)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("hypgeo-torch"))
    elif context.invoked_subcommand is None:
        print(context.get_help())


def _warn(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    say(f"warning: {message}")


def main(args: list[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 done, 1 bad input, 2 wrong usage, 130 interrupted."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            code = app(args, prog_name="hypgeo", standalone_mode=False)
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
