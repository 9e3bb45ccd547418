# Everything runs in an environment of its own, .venv, made by pip alone on first use; the second run is quick.
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
PY := $(VENV)/bin/python
CSRC := $(shell find hypgeo/csrc -type f -not -path '*/__pycache__/*')

.DEFAULT_GOAL := help
.PHONY: help demo test lint cuda-check bench native clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed $(VENV)/.native ## WordNet's mammals in the hyperbolic plane: a report, demo/mammals.png and demo/mammals.html
	$(PY) embeddings/demo.py

test: $(VENV)/.tested $(VENV)/.native ## the whole test suite
	$(PY) -m pytest -q -n 2 tests

lint: $(VENV)/.tested ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m mypy

cuda-check: $(VENV)/.installed ## compile the CUDA sources for sm_80 and sm_90, where nvcc is found
	$(PY) hypgeo/csrc/hypgeo_build.py cuda-check

bench: $(VENV)/.tested $(VENV)/.native ## every benchmark in benchmarks/
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(PY) $$script; done

native: $(VENV)/.installed ## compile what changed in hypgeo/csrc
	$(PY) hypgeo/csrc/hypgeo_build.py
	@touch $(VENV)/.native

clean: ## remove what was built, and the environment
	rm -rf $(VENV) build demo hypgeo/libhypgeo.so hypgeo/libhypgeo.dylib *.egg-info

# torch first: the native core is compiled against its headers, so pip must not look for another one.
$(VENV)/.installed: pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hypgeo needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q "setuptools>=77" wheel
	$(PY) -m pip install -q "$(TORCH)" || $(PY) -m pip install -q "torch>=2.10"
	$(PY) -m pip install -q --no-build-isolation -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PY) -m pip install -q --no-build-isolation -e ".[test]"
	@touch $@

$(VENV)/.native: $(CSRC) | $(VENV)/.installed
	$(PY) hypgeo/csrc/hypgeo_build.py
	@touch $@
