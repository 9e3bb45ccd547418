"""Finds and loads the compiled library, and says what it serves.

Everything in hypgeo works without it, from the plain PyTorch bodies in ``hypgeo.ops``; what is compiled is faster and
closer to the exact result.  ``HYPGEO_DISABLE_NATIVE=1`` turns it off for a process.
"""

import os
import platform
import sys
import warnings
from pathlib import Path

import torch

_PATH = Path(__file__).parent / ("libhypgeo.dylib" if sys.platform == "darwin" else "libhypgeo.so")
_HINT = "install a C++ compiler (Debian: apt install g++) and reinstall hypgeo-torch; in a checkout, run `make native`"


def _load() -> str | None:
    """Load the library once; returns None, or in one sentence why there is none."""
    if os.environ.get("HYPGEO_DISABLE_NATIVE", "0") not in ("", "0"):
        return "the native core is turned off by HYPGEO_DISABLE_NATIVE"
    if not _PATH.is_file():
        return "the native core was not compiled when hypgeo was installed"
    try:
        torch.ops.load_library(_PATH)
    except (OSError, RuntimeError) as error:  # a foreign platform, a torch that is too old, a damaged file
        why = str(error.__cause__ or error).splitlines()[0]
        reason = f"the native core at {_PATH} does not load with torch {torch.__version__} ({why})"
        warnings.warn(f"{reason}; hypgeo goes on without it, more slowly", RuntimeWarning, stacklevel=2)
        return reason
    return None


_WHY_NOT = _load()


def available() -> bool:
    """Whether the compiled library is loaded in this process."""
    return _WHY_NOT is None


def compiled_ops(key: str = "CPU") -> list[str]:
    """Names of the compiled ops that serve a dispatch key ("CPU" or "CUDA"), sorted."""
    registered = torch._C._dispatch_get_registrations_for_dispatch_key(key)
    return sorted(name.removeprefix("hypgeo::") for name in registered if name.startswith("hypgeo::"))


def describe() -> dict[str, object]:
    """Versions, devices, and what is compiled, as plain data for ``hypgeo info`` and for bug reports."""
    report: dict[str, object] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "devices": ["cpu", *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))],
        "threads": torch.get_num_threads(),
        "native": available(),
        "library": str(_PATH) if available() else None,
        "compiled": {"cpu": compiled_ops("CPU"), "cuda": compiled_ops("CUDA")},
    }
    if _WHY_NOT is not None:
        report["native_missing"] = _WHY_NOT
        report["hint"] = _HINT
    return report
