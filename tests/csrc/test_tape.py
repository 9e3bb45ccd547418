"""The tape that differentiates ops (csrc/gram/op.h) has a fixed length; no op may need more."""

import subprocess
from pathlib import Path

from hypgeo import _C

HERE = Path(__file__).resolve().parent


def test_every_op_fits_on_the_tape(tmp_path: Path) -> None:
    include = f"-I{HERE.parents[1] / 'hypgeo' / 'csrc'}"
    command = ["c++", "-O0", "-std=c++20", "-ffp-contract=off", include, str(HERE / "tape.cpp"), "-o", "tape"]
    subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run(["./tape"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in printed.splitlines()]
    known = _C.compiled_ops("CPU")  # of which these have no tape:
    others = {op for op in known if op in ("mean", "pairwise_dist", "multifloat_distance") or op.endswith("_matvec")}
    assert {name for name, _, _ in lines} == {op for op in known if f"{op}_backward" in known} - others
    assert all(int(size) <= int(most) for _, size, most in lines)
