"""The compiled library: what it asks of the system, how it is built, and that everything lives without it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from hypgeo import _C

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "hypgeo" / ("libhypgeo.dylib" if sys.platform == "darwin" else "libhypgeo.so")


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter with these variables on top of ours."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],  # -P: the working folder's hypgeo is not the one meant
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_checkout_with_a_compiler_has_the_library() -> None:
    assert _C.available() == (shutil.which("c++") is not None), _C.describe()
    report = _C.describe()
    assert json.loads(json.dumps(report)) == report
    assert report["torch"] == torch.__version__ and report["threads"] == torch.get_num_threads()


def test_every_op_in_the_registry_is_served_with_its_derivative() -> None:
    registries = sorted((ROOT / "hypgeo/csrc/gram").glob("*.def"))
    names = [n for path in registries for n in re.findall(r"^OP\((\w+),", path.read_text(), re.MULTILINE)]
    assert len(registries) == 4 and len(names) > 60 and len(set(names)) == len(names)
    assert {n for name in names for n in (name, f"{name}_backward")} <= set(_C.compiled_ops("CPU"))


def test_the_library_stands_on_the_stable_abi_alone() -> None:
    """No at:: or c10:: symbol, no Python, no path to one machine's torch."""
    nm = subprocess.run(["nm", "-D", "--undefined-only", LIBRARY], capture_output=True, text=True, check=True).stdout
    symbols = subprocess.run(["c++filt"], input=nm, capture_output=True, text=True, check=True).stdout
    assert "torch_parallel_for" in symbols  # the audit reads the right file
    assert not re.search(r"\b(at|c10|caffe2)::|\bPy[A-Z_]", symbols), symbols
    shim = Path(torch.__file__).parent / "include/torch/csrc/stable/c/shim.h"
    newer = shim.read_text().partition("TORCH_FEATURE_VERSION >= TORCH_VERSION_2_11_0")[2]
    assert not set(re.findall(r"\b(torch_\w+)\(", newer)) & set(symbols.split()), "symbols that torch 2.10 lacks"
    dynamic = subprocess.run(["readelf", "-d", LIBRARY], capture_output=True, text=True, check=True).stdout
    assert "libtorch_cpu.so" in dynamic and not re.search(r"RPATH|RUNPATH|libpython|libc10", dynamic), dynamic


def test_it_can_be_turned_off() -> None:
    code = (
        "import torch, hypgeo._C as C; from hypgeo.ops import lorentz, poincare; assert not C.available();"
        "x = torch.tensor([0.3, 0.0], requires_grad=True); d = poincare.dist(x, torch.zeros(2), 1.0); d.backward();"
        "print(d.item(), x.grad.tolist(), C.describe()['native_missing'])"
    )
    done = python(code, HYPGEO_DISABLE_NATIVE="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0.619") and "HYPGEO_DISABLE_NATIVE" in done.stdout


def test_a_library_that_does_not_load_says_why_once_and_stops_nothing(tmp_path: Path) -> None:
    package = tmp_path / "hypgeo"
    package.mkdir()
    shutil.copy(ROOT / "hypgeo" / "_C.py", package)
    (package / "__init__.py").touch()
    (package / LIBRARY.name).write_bytes(b"not a library")
    done = python("import hypgeo._C as C; import hypgeo._C; print(C.available())", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0 and done.stdout == "False\n", done.stderr
    warned = [line for line in done.stderr.splitlines() if "RuntimeWarning" in line]
    assert len(warned) == 1 and "does not load with torch" in warned[0] and "goes on without it" in warned[0]


def copied(tmp_path: Path) -> Path:
    """The tracked and new sources of this checkout, as somebody else's clone."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "hypgeo", "*.toml", "*.py", "*.in", "LICENSE", "README.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    clone = tmp_path / "clone"
    for name in names:
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    return clone


def needed_to_build(absent: bool = False, **environment: str) -> list[str]:
    """What the build backend asks pip for; absent: in an environment that has no torch."""
    code = "import hypgeo_build, importlib.util, json, sysconfig;"
    if absent:
        code += "importlib.util.find_spec = lambda name: None;"
        code += "sysconfig.get_paths = lambda: dict(purelib='', platlib='');"
    code += "print(json.dumps(hypgeo_build.get_requires_for_build_wheel()))"
    done = python(code, PYTHONPATH=str(ROOT / "hypgeo" / "csrc"), **environment)
    assert done.returncode == 0, done.stderr
    requirements: list[str] = json.loads(done.stdout.splitlines()[-1])
    return requirements


def test_the_build_drags_in_no_second_torch() -> None:
    assert needed_to_build() == []  # the headers of the environment's torch serve
    assert needed_to_build(absent=True) == ["torch==2.13.0"]
    assert needed_to_build(absent=True, HYPGEO_NO_COMPILER="1") == []


PTXAS = """\
ptxas info    : 28 bytes gmem, 224 bytes cmem[4]
ptxas info    : Compiling entry function '_Z8backwardv' for 'sm_80'
ptxas info    : Function properties for _Z8backwardv
    26912 bytes stack frame, 4 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 96 registers, used 0 barriers, 26912 bytes cumulative stack size, 568 bytes cmem[0]
ptxas info    : Compile time = 228.805 ms
ptxas info    : Compiling entry function '_Z7forwardv' for 'sm_80'
ptxas info    : Function properties for _Z7forwardv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 104 registers, used 0 barriers, 568 bytes cmem[0]
ptxas info    : Function properties for _Z6calledv
    8 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads
"""


def test_cuda_check_sees_what_spills() -> None:
    read = f"import hypgeo_build; print(hypgeo_build.read_ptxas({PTXAS!r}))"
    done = python(read, PYTHONPATH=str(ROOT / "hypgeo" / "csrc"))
    assert done.stdout == "(2, 104, 16, 26912, ['_Z8backwardv', '_Z6calledv'])\n", done.stderr
    # words that it does not know are no success
    done = python(read.replace("spill stores", "stored"), PYTHONPATH=str(ROOT / "hypgeo" / "csrc"))
    assert done.returncode != 0 and "CompileError: ptxas names no kernel" in done.stderr


def pip_install(clone: Path, target: Path, **environment: str) -> str:
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "-v"]
    done = subprocess.run(
        [*command, "--target", target, clone],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_install_without_a_compiler_works_and_says_so(tmp_path: Path) -> None:
    target = tmp_path / "site"
    log = pip_install(copied(tmp_path), target, CXX="no-such-compiler")
    assert "without its native core" in log and "no C++ compiler was found (no-such-compiler)" in log
    wheel = next(target.glob("hypgeo_torch-*.dist-info")) / "WHEEL"
    assert "Tag: py3-none-any" in wheel.read_text()
    code = (
        "import torch, hypgeo._C as C; from hypgeo.ops import poincare; r = C.describe();"
        "d = poincare.dist(torch.zeros(2), torch.tensor([0.5, 0.0]), 1.0);"
        "print(C.__file__, d.item(), r['native_missing'], r['hint'])"
    )
    done = python(code, PYTHONPATH=str(target))
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert str(target) in done.stdout and "1.0986" in done.stdout and "not compiled when" in done.stdout
    assert "install a C++ compiler" in done.stdout


def test_install_carries_the_library_for_any_python(tmp_path: Path) -> None:
    clone = copied(tmp_path)
    if (ROOT / "build" / "native").is_dir():  # what is compiled already: an unchanged source is not compiled again
        shutil.copytree(ROOT / "build" / "native", clone / "build" / "native")
    target = tmp_path / "site"
    pip_install(clone, target)
    wheel = (next(target.glob("hypgeo_torch-*.dist-info")) / "WHEEL").read_text()
    assert re.search(r"^Tag: py3-none-(linux|macosx)", wheel, re.MULTILINE), wheel
    assert (target / "hypgeo" / "py.typed").is_file() and (target / "hypgeo" / "csrc" / "gram" / "ball.def").is_file()
    done = python("import hypgeo._C as C; print(C.available(), C.__file__)", PYTHONPATH=str(target))
    assert done.stdout == f"True {target / 'hypgeo' / '_C.py'}\n", done.stderr
