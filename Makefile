# Two commands for newcomers: `make demo` and `make test`. Each does all its own set-up.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help install demo test lint format types imports tests bench docs clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

install: $(INSTALLED)  ## Make .venv and install everything with pinned versions

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: install  ## Train a Spikformer on real digits, measure it, write a report (about three minutes)
	$(BIN)/spikeformers train spikformer_digits

test: lint types imports tests  ## All checks and tests

lint: install
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs

format: install  ## Format the code
	$(BIN)/ruff format src tests benchmarks docs
	$(BIN)/ruff check --fix src tests benchmarks docs

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

tests: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup --max-worker-restart 0

bench: install  ## Benchmarks on this machine, into benchmarks/results and docs/benchmarks.md
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/neurons.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/energy.py
	$(BIN)/python benchmarks/data.py
	$(BIN)/python benchmarks/page.py

docs: install  ## Write the reference pages from the registries
	$(BIN)/python docs/generate.py

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
