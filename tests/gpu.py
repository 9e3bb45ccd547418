"""The GPU's kernels for multi-component floats, run on the host in place of the compiled ops."""

import ctypes
import os
import platform
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from filelock import FileLock
from torch import Tensor

HERE = Path(__file__).resolve().parent
DTYPES = (torch.float16, torch.float32, torch.float64)


def _pointer(t: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())


def _longs(values: list[int]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(values))(*values)


class Kernels:
    """csrc/gpu.cpp, with the signatures of the ops in hypgeo/csrc/multifloat."""

    def __init__(self, folder: Path) -> None:
        library = folder / "gpu.so"
        with FileLock(folder / "gpu.lock"):
            if not library.is_file():
                flags = "-O1 -std=c++20 -ffp-contract=off -pthread -fPIC -shared".split()
                if platform.machine() in ("x86_64", "AMD64"):
                    flags += ["-mavx2", "-mfma"]  # a GPU's multiplication and addition are fused too
                flags.append(f"-I{HERE.parent / 'hypgeo' / 'csrc'}")
                beside = folder / "gpu.new"
                subprocess.run(["c++", *flags, str(HERE / "csrc" / "gpu.cpp"), "-o", str(beside)], check=True)
                beside.rename(library)
        self._library = ctypes.CDLL(str(library))

    def elementwise(self, x: Tensor, y: Tensor | None, op: int, power: int) -> Tensor:
        n = x.shape[-1]
        shape = torch.broadcast_shapes(x.shape[:-1], x.shape[:-1] if y is None else y.shape[:-1])
        operands = [t if t.stride(-1) == 1 else t.contiguous() for t in (x, x if y is None else y)]
        operands = [t.expand(*shape, n) for t in operands]
        out = x.new_empty(*shape, n)
        if out.numel():
            code = DTYPES.index(x.dtype), n, op, ctypes.c_int64(power), len(shape), _longs(list(shape))
            given = [a for t in operands for a in (_pointer(t), _longs(list(t.stride()[:-1])))]
            self._library.elementwise(*code, *given, _pointer(out))
        return out

    def split(self, x: Tensor, dtype: int, n: int) -> Tensor:
        x = x.contiguous()
        out = x.new_empty(*x.shape, n, dtype=DTYPES[dtype])
        if x.numel():
            self._library.split(dtype, n, ctypes.c_int64(x.numel()), _pointer(x), _pointer(out))
        return out

    def lines(self, x: Tensor, kind: int) -> Tensor:
        assert x.is_contiguous()
        outer, count, inner, n = x.shape
        out = x.new_empty(x.shape if kind == 1 else (outer, inner, n))
        if outer * inner:
            sizes = (ctypes.c_int64(s) for s in (outer, count, inner))
            self._library.lines(DTYPES.index(x.dtype), n, kind, *sizes, _pointer(x), _pointer(out))
        return out

    def matmul(self, a: Tensor, b: Tensor) -> tuple[Tensor, bool]:
        assert a.is_contiguous() and b.is_contiguous() and a.shape[0] == b.shape[0] and a.shape[2] == b.shape[1]
        batch, rows, k, n = a.shape
        out = a.new_empty(batch, rows, b.shape[2], n)
        if out.numel():
            sizes = (ctypes.c_int64(s) for s in (batch, rows, k, b.shape[2]))
            self._library.product(DTYPES.index(a.dtype), n, *sizes, _pointer(a), _pointer(b), _pointer(out))
        return out, True

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put them in the place of the compiled ops."""
        for name in ("elementwise", "split", "lines", "matmul"):
            op = "multifloat" if name == "elementwise" else f"multifloat_{name}"
            monkeypatch.setattr(torch.ops.hypgeo, op, SimpleNamespace(default=getattr(self, name)), raising=False)


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """One for all workers of a run."""
    folder = factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
