"""Rows that are exactly zero have an exact square: whole layers of them must not fall to arbitrary precision."""

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def test_the_square_of_a_zero_row_has_no_error(tmp_path: Path) -> None:
    include = f"-I{HERE.parents[1] / 'hypgeo' / 'csrc'}"
    command = ["c++", "-O0", "-std=c++20", "-ffp-contract=off", include, str(HERE / "zero.cpp"), "-o", "zero"]
    subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run(["./zero"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    rows = [[float(x) for x in line.split()[1:]] for line in printed.splitlines()]
    assert len(rows) == 16
    pairs = [(value, error) for row in rows for value, error in (row[:2], row[2:])]
    assert sum(value == 0 for value, _ in pairs) == 8
    assert all((error == 0) == (value == 0) for value, error in pairs)
