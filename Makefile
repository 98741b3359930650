# make run   set up and run the embedded default
# make test  set up and run every check
# PYTHON     the interpreter to build the environment with (3.11 to 3.13)
# ENV        the Kedro environment that `make run` runs (conf/<ENV>)

PYTHON ?= python3
ENV ?= base
VENV := .venv
BIN := $(VENV)/bin
export DO_NOT_TRACK = 1

# Installs with the pinned versions; torch first, so that no other build of it is pulled in.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test lint typecheck imports unit install install-dev clean

run: install
	$(BIN)/kedro run --env $(ENV)

test: install-dev lint typecheck imports unit

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: install-dev
	$(BIN)/mypy

imports: install-dev
	$(BIN)/lint-imports

unit: install-dev
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

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
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
