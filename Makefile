# make demo, make test, make check: each sets up what it needs in .venv and installs nothing anywhere else.
# Works with any make and any Python from 3.11 on; `make PYTHON=python3.12 test` picks one.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
DEMO := tutorials/01_digits.py
JOBS ?= 2
PYTEST_ARGS ?=

# Plots go to files. One BLAS thread per process: the test processes share the cores.
export MPLBACKEND = Agg
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test check lint fix fast notebooks docs clean gpu-test gpu-bench

help:
	@echo "make demo    train on real handwritten digits; the loss curve goes to out/loss.png"
	@echo "make test    everything: tests, doctests, tutorials; and the tests on a strict stand-in for CuPy"
	@echo "make check   lint, format, types, fast tests"
	@echo "make fix     let ruff repair and format"
	@echo "make notebooks   run the scripts of tutorials/, and write the notebooks beside them"
	@echo "make docs    the docs site, docs/_build/html/index.html"
	@echo "make gpu-test, make gpu-bench   the tests on CuPy, and benchmarks, with PYTHON as it is; PART=2/4 runs a part"
	@echo "make clean   remove .venv, caches, out/"
	@echo "Options: PYTHON=python3.12, JOBS=4 (test processes), PYTEST_ARGS='-k tape'"

demo: $(VENV)/.installed-train
	$(PY) $(DEMO)

test: $(VENV)/.installed-test
	$(ONE_THREAD) $(PY) -m pytest -q -n $(JOBS) --doctest-modules tests autograd_vs optim $(PYTEST_ARGS)
	$(ONE_THREAD) $(PY) -m pytest -q -n $(JOBS) --library strict tests $(PYTEST_ARGS)

check: lint fast

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

fast: $(VENV)/.installed-dev
	$(ONE_THREAD) $(PY) -m pytest -q -n $(JOBS) -m "not slow and not gpu" $(PYTEST_ARGS)

notebooks: $(VENV)/.installed-dev
	$(PY) tutorials/make_notebooks.py

docs: $(VENV)/.installed-docs
	$(PY) -m sphinx -q -W --keep-going -c docs -d docs/_build/doctrees . docs/_build/html
	@echo "written: docs/_build/html/index.html"

# On a machine with a GPU, with the interpreter that is given, in which CuPy, SciPy, pytest and hypothesis must be; they
# install nothing, stop after MINUTES, and write to $(GPU_RESULTS). Without a GPU they say so, and end with 0.
PART ?= 1/1
MINUTES ?= 7
GPU_RESULTS := bench/results/gpu
A_GPU := $(PYTHON) tests/on_gpu.py

gpu-test:
	@if ! $(A_GPU); then echo "gpu-test has nothing to do without a GPU"; else \
	  mkdir -p $(GPU_RESULTS) && $(ONE_THREAD) $(PYTHON) -m pytest -q --library cupy --forbid-transfers --part $(PART) \
	  --minutes $(MINUTES) --junitxml $(GPU_RESULTS)/tests_$(subst /,_of_,$(PART)).xml tests $(PYTEST_ARGS); fi

gpu-bench:
	@if ! $(A_GPU); then echo "gpu-bench has nothing to do without a GPU"; else \
	  mkdir -p $(GPU_RESULTS) && $(PYTHON) bench/gpu.py --part $(PART) --minutes $(MINUTES) --results $(GPU_RESULTS); fi

fix: $(VENV)/.installed-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:
	rm -rf $(VENV) out dist build docs/_build docs/api .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. Debian and Ubuntu may lack the venv module's pip (package python3-venv): then the environment is made
# without pip and filled by the pip outside of it. A half-made environment is removed, so that the next try starts fresh.
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is `$(PYTHON) --version 2>/dev/null || echo missing`."; \
	  echo "Name another one, for example: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV) with `$(PYTHON) --version` ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	  || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV); } \
	  || { rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.installed-%: pyproject.toml | $(PY)
	@echo "Installing autograd-vs[$*] into $(VENV) ..."
	@if $(PY) -m pip --version >/dev/null 2>&1; then pip="$(PY) -m pip"; else pip="$(PYTHON) -m pip --python $(PY)"; fi; \
	  $$pip install -q --disable-pip-version-check -e ".[$*]" || { rm -rf $(VENV); \
	  echo "The installation failed (see above); $(VENV) was removed. Without pip: apt install python3-venv python3-pip"; exit 1; }
	@touch $@
