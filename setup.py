"""Hooks the native core (hypgeo/csrc) into setuptools; everything else about the project is in pyproject.toml."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "hypgeo" / "csrc"))

from hypgeo_build import COMMANDS
from setuptools import setup

setup(cmdclass=COMMANDS)
