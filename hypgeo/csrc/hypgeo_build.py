"""Compiles the native core: one plain shared library on LibTorch's stable ABI, for any Python and any torch >= 2.10.

Three callers: pip (as the build backend named in pyproject.toml), setup.py (for ``COMMANDS``), and a developer
(``python hypgeo/csrc/hypgeo_build.py`` compiles in place and prints the compiler's own words when it fails;
``... cuda-check`` compiles the CUDA sources alone for sm_80 and sm_90, prints registers, spills and stack frames, and
fails where a function spills).

Environment: CXX, CXXFLAGS, HYPGEO_NO_COMPILER=1 (as if there were none), HYPGEO_CUDA=0/1/auto, CUDA_HOME, MAX_JOBS.
Nothing here needs torch to be importable: only its headers and the library to link against.
"""

import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from setuptools import Command, build_meta
from setuptools.build_meta import (  # the hooks of PEP 517 and 660 that need no change
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

__all__ = [
    "COMMANDS",
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

CSRC = Path(__file__).resolve().parent
ROOT = CSRC.parents[1]
OBJECTS = ROOT / "build" / "native"
LIBRARY = "libhypgeo.dylib" if sys.platform == "darwin" else "libhypgeo.so"
OLDEST_TORCH = (2, 10)  # the version whose stable ABI is asked for: TORCH_TARGET_VERSION below
DEFINES = ["-DTORCH_TARGET_VERSION=0x020a000000000000", "-DTORCH_STABLE_ONLY"]
# No fast-math, no contraction: error-free transformations live here.  No -march=native: the library travels.
CXX_FLAGS = ["-O3", "-std=c++20", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]
# For *_slow.cpp, which serve few rows, and for *_kernel.cpp on the oldest processors: compiled by everybody.
BRIEF_FLAGS = ["-O1"]
# Files named *_kernel.cpp are compiled once more for each of these, and the library chooses at run time.
LEVELS = {"avx2": ["-mavx2", "-mfma"], "avx512": ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mfma"]}
ARCHITECTURES = (80, 90)
CUDA_HOME = os.environ.get("CUDA_HOME", "/usr/local/cuda")
NVCC_HOST_FLAGS = "-fPIC,-ffp-contract=off,-fvisibility=hidden"
NVCC_FLAGS = ["-O3", "-std=c++20", "--fmad=false", f"-Xcompiler={NVCC_HOST_FLAGS}", "-DUSE_CUDA"]


class CannotBuild(RuntimeError):
    """Why the native core is not compiled, in a sentence."""


class CompileError(CannotBuild):
    """The compiler ran and refused; its own words follow."""


def find_torch() -> tuple[Path, bool]:
    """The folder of an installed torch with headers new enough, and whether it was built with CUDA.

    Under pip's build isolation ``torch`` cannot be imported, but the interpreter is the target environment's own, so
    its site-packages still say where torch is.
    """
    spec = importlib.util.find_spec("torch")
    places = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    paths = sysconfig.get_paths()
    places += [Path(p) / "torch" for p in (paths["purelib"], paths["platlib"], site.getusersitepackages())]
    for torch in places:
        if not (torch / "include/torch/csrc/stable/library.h").is_file() or not (torch / "version.py").is_file():
            continue
        text = (torch / "version.py").read_text()
        version = re.search(r"__version__ = '(\d+)\.(\d+)", text)
        if version and (int(version[1]), int(version[2])) >= OLDEST_TORCH:
            return torch, re.search(r"^cuda: .*= '", text, re.MULTILINE) is not None
    raise CannotBuild("no torch >= 2.10 with its headers was found in this environment; install torch first")


def find_compiler() -> list[str]:
    """The C++ compiler's command, from CXX or the usual names."""
    if os.environ.get("HYPGEO_NO_COMPILER", "0") not in ("", "0"):
        raise CannotBuild("HYPGEO_NO_COMPILER is set")
    if sys.platform == "win32":
        raise CannotBuild("the native core is not compiled on Windows")
    asked = shlex.split(os.environ.get("CXX", ""))
    for command in [asked] if asked else [["c++"], ["g++"], ["clang++"]]:
        if shutil.which(command[0]):
            return command
    looked_for = asked[0] if asked else "c++, g++, clang++"
    raise CannotBuild(f"no C++ compiler was found ({looked_for}); install g++ or set CXX")


def find_nvcc() -> str | None:
    return shutil.which("nvcc") or shutil.which("nvcc", path=f"{CUDA_HOME}/bin")


def wants_cuda(torch_has_cuda: bool) -> str | None:
    """The nvcc to use, or None: HYPGEO_CUDA=1 insists, 0 refuses, auto follows nvcc and torch."""
    choice = os.environ.get("HYPGEO_CUDA", "auto")
    if choice not in ("0", "1", "auto"):
        raise CannotBuild(f"HYPGEO_CUDA is {choice!r}; give 0, 1 or auto")
    nvcc = find_nvcc()
    if choice == "1" and nvcc is None:
        raise CannotBuild("HYPGEO_CUDA=1 but no nvcc was found; put it on PATH or set CUDA_HOME")
    return nvcc if choice == "1" or (choice == "auto" and torch_has_cuda) else None


def run(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise CompileError(f"this failed: {shlex.join(command)}\n{done.stdout}")
    return done.stdout


def is_current(target: Path, command: list[str], inputs: Iterable[Path]) -> bool:
    """Whether target exists, was made by the same command, and is newer than everything it was made from."""
    stamp = target.with_suffix(".cmd")
    if not target.is_file() or not stamp.is_file() or stamp.read_text() != shlex.join(command):
        return False
    made = target.stat().st_mtime_ns
    return all(path.is_file() and path.stat().st_mtime_ns <= made for path in inputs)


def depends_on(depfile: Path) -> list[Path]:
    """The files that a compilation read, as the compiler listed them."""
    words = shlex.split(depfile.read_text().replace("\\\n", " ")) if depfile.is_file() else []
    return [ROOT / word for word in words if not word.endswith(":")]


def compile_one(command: list[str], source: Path, tag: str = "") -> Path:
    name = "_".join(source.relative_to(CSRC).parts) + tag
    target = OBJECTS / (name + ".o")
    depfile = target.with_suffix(".d")
    # Relative paths: the objects of a moved or copied checkout stay current, and __FILE__ names no machine.
    files = [str(path.relative_to(ROOT)) for path in (depfile, source, target)]
    full = [*command, "-MMD", "-MF", files[0], "-c", files[1], "-o", files[2]]
    if not is_current(target, full, [source, *depends_on(depfile)]):
        target.unlink(missing_ok=True)
        run(full)
        target.with_suffix(".cmd").write_text(shlex.join(full))
    return target


def compile_library() -> Path:
    """Compile what changed, link, and return the library; raises CannotBuild with the reason."""
    compiler = find_compiler()
    torch, torch_has_cuda = find_torch()
    nvcc = wants_cuda(torch_has_cuda)
    OBJECTS.mkdir(parents=True, exist_ok=True)
    include = ["-I", str(CSRC.relative_to(ROOT)), "-isystem", str(torch / "include")]
    version = hashlib.sha256(run([*compiler, "--version"]).encode()).hexdigest()[:12]  # a new compiler recompiles
    flags = [*CXX_FLAGS, "-pthread", *shlex.split(os.environ.get("CXXFLAGS", "")), *DEFINES]
    flags.append(f"-DHYPGEO_COMPILER={version}")
    cxx = [*compiler, *flags]
    sources = sorted(CSRC.glob("**/*.cpp"))
    many = platform.machine() in ("x86_64", "AMD64")
    jobs = []
    for source in sources:
        brief = source.stem.endswith("_slow") or (many and source.stem.endswith("_kernel"))
        jobs.append(([*cxx, *(BRIEF_FLAGS if brief else []), "-DHYPGEO_ISA=base", *include], source, ""))
    if many:
        for level, more in LEVELS.items():
            command = [*cxx, *more, f"-DHYPGEO_ISA={level}", *include]
            jobs += [(command, source, f".{level}") for source in sources if source.stem.endswith("_kernel")]
    link = ["-L", str(torch / "lib"), "-ltorch_cpu", "-pthread"]
    if sys.platform == "darwin":
        link += ["-dynamiclib", "-undefined", "dynamic_lookup"]
    else:
        # By name alone, without rpath: torch is in memory before this library is loaded.
        link += ["-shared", "-Wl,--as-needed", "-Wl,--gc-sections"]
    if nvcc:
        gencode = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES]
        gencode += [f"-gencode=arch=compute_{ARCHITECTURES[-1]},code=compute_{ARCHITECTURES[-1]}"]
        cuda = [nvcc, *NVCC_FLAGS, *DEFINES, *gencode, *include]
        jobs += [(cuda, source, "") for source in sorted(CSRC.glob("**/*.cu"))]
        homes = [Path(nvcc).resolve().parents[1], Path(CUDA_HOME)]  # nvcc may be a script that stands elsewhere
        folders = [str(home / name) for home in homes for name in ("lib64", "lib") if (home / name).is_dir()]
        link += [*(f"-L{folder}" for folder in folders), "-lcudart_static", "-ldl", "-lrt"]
    workers = int(os.environ.get("MAX_JOBS", min(os.cpu_count() or 1, 8)))
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        objects = list(pool.map(lambda job: compile_one(*job), jobs))
    library = OBJECTS / LIBRARY
    parts = [str(path.relative_to(ROOT)) for path in objects]
    command = [*compiler, *parts, *link, "-o", str(library.relative_to(ROOT))]
    if not is_current(library, command, objects):
        run(command)
        library.with_suffix(".cmd").write_text(shlex.join(command))
    return library


def read_ptxas(output: str) -> tuple[int, int, int, int, list[str]]:
    """From ``ptxas -v``: how many kernels; the most registers, bytes spilled and bytes of stack frame; who spills."""
    registers = [int(n) for n in re.findall(r"Used (\d+) registers", output)]
    sizes = r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    functions = re.findall(rf"Function properties for (\S+)\n\s*{sizes}", output)  # kernels, and what they call
    if not registers or not functions:
        raise CompileError(f"ptxas names no kernel, or in other words than we know:\n{output}")
    spilled = {name: max(int(stores), int(loads)) for name, _, stores, loads in functions}
    frame = max(int(stack) for _, stack, _, _ in functions)
    spilling = [name for name, size in spilled.items() if size]
    return output.count("Compiling entry function"), max(registers), max(spilled.values()), frame, spilling


def cuda_check() -> None:
    """Compile the CUDA sources alone and print what ptxas says of the kernels; exits with an error where one spills."""
    nvcc = find_nvcc()
    if nvcc is None:
        print("no nvcc was found: the CUDA sources are not checked here")
        return
    torch, _ = find_torch()
    OBJECTS.mkdir(parents=True, exist_ok=True)

    def check(job: tuple[Path, int]) -> str:
        source, arch = job
        target = OBJECTS / f"check_{source.stem}_{arch}.o"
        flags = [*NVCC_FLAGS, *DEFINES, f"-arch=sm_{arch}", "-Xptxas=-v", "-diag-suppress=1675"]
        include = ["-I", str(CSRC), "-isystem", str(torch / "include")]
        return run([nvcc, *flags, *include, "-c", str(source), "-o", str(target)])

    jobs = [(source, arch) for source in sorted(CSRC.glob("**/*.cu")) for arch in ARCHITECTURES]
    spilling: list[str] = []
    with ThreadPoolExecutor(max(int(os.environ.get("MAX_JOBS", min(os.cpu_count() or 1, 8))), 1)) as pool:
        for (source, arch), output in zip(jobs, pool.map(check, jobs), strict=True):
            kernels, registers, spilled, frame, names = read_ptxas(output)
            print(
                f"{source.relative_to(CSRC)} sm_{arch}: {kernels} kernels, at most {registers} registers,"
                f" {spilled} bytes spilled, a stack frame of {frame} bytes",
                flush=True,
            )
            spilling += [f"sm_{arch} {name}" for name in names]
    if spilling:
        sys.exit("\n".join(["these functions spill registers:", *spilling]))


def get_requires_for_build_wheel(config_settings: dict | None = None) -> list[str]:
    """setuptools, and a torch for its headers only where the environment has none and a compiler could use them."""
    needs = build_meta.get_requires_for_build_wheel(config_settings)
    try:
        find_compiler()
    except CannotBuild:
        return needs
    try:
        find_torch()
    except CannotBuild:
        return [*needs, "torch==2.13.0"]
    return needs


get_requires_for_build_editable = get_requires_for_build_wheel


class build_native(Command):
    """The setuptools step: compile, then put the library where the package is assembled (or beside its sources)."""

    description = "compile the native core (hypgeo/csrc)"
    user_options: ClassVar[list[tuple[str, str | None, str | None]]] = []
    editable_mode = False
    build_lib: str | None = None

    def initialize_options(self) -> None:
        self.build_lib = None

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def target(self) -> Path:
        package = CSRC.parent if self.editable_mode else Path(self.build_lib or "build/lib") / "hypgeo"
        return package / LIBRARY

    def run(self) -> None:
        target = self.target()
        try:
            install(compile_library(), target)
        except CannotBuild as reason:
            target.unlink(missing_ok=True)  # an old library must not outlive the sources it was made from
            self.warn(f"hypgeo is installed without its native core (it works, more slowly): {reason}")

    def get_source_files(self) -> list[str]:
        return [str(path.relative_to(ROOT)) for path in sorted(CSRC.glob("**/*")) if path.is_file()]

    def get_outputs(self) -> list[str]:
        return [] if self.editable_mode else [str(self.target())]

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class build_with_native(build):
    sub_commands: ClassVar[list[tuple[str, Any]]] = [*build.sub_commands, ("build_native", None)]


class platform_wheel(bdist_wheel):
    """Tagged py3-none-<platform> with the library inside, py3-none-any without: no Python version is ever named."""

    def get_tag(self) -> tuple[str, str, str]:
        if not (Path(self.bdist_dir) / "hypgeo" / LIBRARY).is_file():
            return "py3", "none", "any"
        self.root_is_pure = False
        return "py3", "none", super().get_tag()[2]


def install(library: Path, target: Path) -> None:
    """Replace target in one step, since a running process may have the old one mapped."""
    if target.is_file() and target.read_bytes() == library.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".new")
    shutil.copy2(library, beside)
    os.replace(beside, target)


COMMANDS = {"build": build_with_native, "build_native": build_native, "bdist_wheel": platform_wheel}

if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["cuda-check"]:
            cuda_check()
        else:
            install(compile_library(), CSRC.parent / LIBRARY)
            print(CSRC.parent / LIBRARY)
    except CompileError as error:
        sys.exit(f"not compiled: {error}")
    except CannotBuild as reason:
        print(f"hypgeo goes without its native core (it works, more slowly): {reason}")
