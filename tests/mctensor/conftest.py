"""Lets the tests of this folder import `exactly` (pytest's importlib mode adds nothing to the path)."""

import sys
from collections.abc import Iterator
from pathlib import Path

import mpmath
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def precisely() -> Iterator[None]:
    with mpmath.workprec(1200):
        yield
