import contextlib
import re
import signal
import subprocess
import sys
from importlib.metadata import version

import pytest


def test_help_names_every_command(run):
    for args in ((), ("--help",), ("-h",)):
        ended = run(*args)
        assert ended.code == 0
        for command in ("embed", "evaluate", "plot", "info"):
            assert re.search(rf"^  {command} ", ended.out, re.M)


def test_version(run):
    assert run("--version").out.strip() == version("hypgeo-torch")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("embed",), "EDGES"),
        (("embed", "x", "--nonsense"), "--nonsense"),
        (("embed", "x", "--dim", "two"), "--dim"),
        (("evaluate",), "FILE"),
        (("plot", "x"), "--output"),
        (("draw",), "draw"),
    ],
)
def test_wrong_usage(refused, args, message):
    assert message in refused(*args, code=2)


def test_interrupted(run, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("hypgeo.cli.source.edges", interrupt)
    ended = run("embed", "x.tsv", "-o", "out.safetensors")
    assert (ended.code, ended.out) == (130, "")
    assert "Traceback" not in ended.err


def test_errors_that_are_not_the_user_s_are_not_hidden(monkeypatch):
    from hypgeo.cli import main

    def broken(*args):
        raise RuntimeError("a bug")

    monkeypatch.setattr("hypgeo.cli.source.edges", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["embed", "x.tsv"])


def test_warnings_are_sentences_too(run, tree, monkeypatch):
    import warnings

    from hypgeo.embedding import Embedding

    monkeypatch.setattr(Embedding, "save", lambda *args: warnings.warn("mind the step", stacklevel=1))
    assert "hypgeo: warning: mind the step\n" in run("embed", tree, "-o", "x").err


@pytest.mark.parametrize(("kill", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_command_killed_while_it_reads_leaves_nothing(tmp_path, kill, code):
    # the parent learns from the child's first line that it is inside the command, waiting for standard input
    child = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a background job ignores it
        "import hypgeo.cli.source as source; from hypgeo.cli import main; read = source.edges;"
        "source.edges = lambda *args: (print('reading', flush=True), read(*args))[1];"
        "main(['embed', '-', '-o', 'out.safetensors'])"
    )
    command = [sys.executable, "-c", child]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "reading\n"
        process.stdin.write("a b\n" * 1000)
        process.stdin.flush()
        for _ in range(5):  # a signal between two reads of standard input waits for the next one
            process.send_signal(kill)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
                break
        assert process.poll() == code
        assert "Traceback" not in process.stderr.read()
    assert list(tmp_path.iterdir()) == []


def test_a_command_killed_while_it_writes_leaves_the_old_file(tmp_path):
    (tmp_path / "out.safetensors").write_text("what was there before")
    child = (
        "import os; os.fsync = lambda file: os.kill(os.getpid(), 9); from hypgeo.cli import main;"
        "main(['embed', 'mammals', '-o', 'out.safetensors'])"
    )
    ended = subprocess.run([sys.executable, "-c", child], cwd=tmp_path, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (-9, b"")
    assert (tmp_path / "out.safetensors").read_text() == "what was there before"


def test_as_a_module_in_a_pipe(tmp_path):
    command = [sys.executable, "-m", "hypgeo.cli", "embed", "-", "--json"]
    ended = subprocess.run(command, input="(a,b)c;", cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert '"nodes": 3' in ended.stdout and ended.stderr == ""
