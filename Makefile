# Everything here makes its own environment in .venv; it needs Python 3.11 or newer and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
REQUIREMENTS := pyproject.toml constraints.txt
# Clients of other systems that are written in JavaScript, for the tests; without npm those are skipped.
JAVASCRIPT := tests/javascript
# What wants other versions of what the service needs has an environment of its own: a client, an object store.
APART := tests/apart
PACKAGES := $(APART)/.venv/.installed $(if $(shell command -v npm),$(JAVASCRIPT)/node_modules/.installed)

.PHONY: help serve packages test test-later coverage check lint sql types architecture bench faults memory screenshot clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.serve ## run the service on http://127.0.0.1:8000
	@$(BIN)/tracker serve

packages: $(PACKAGES)

# While one test waits another runs.
PROCESSES ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

test: $(VENV)/.develop $(PACKAGES) ## run all tests
	@$(BIN)/pytest --numprocesses $(PROCESSES) --dist worksteal

DAYS ?= 1 365 3650
test-later: $(VENV)/.develop $(PACKAGES) ## run all tests with the clock moved on, by a day, a year and ten years
	@for days in $(DAYS); do \
	  echo "The clock is moved on by $$days days."; \
	  TESTS_CLOCK_DAYS=$$days PYTHONPATH=$(CURDIR)/tests/moved_clock $(BIN)/pytest --numprocesses $(PROCESSES) --dist worksteal || exit 1; \
	done

coverage: $(VENV)/.develop $(PACKAGES) ## run all tests and measure how much of the code they run
	@$(BIN)/coverage erase
	@$(BIN)/pytest --numprocesses $(PROCESSES) --dist worksteal --cov --cov-report=
	@$(BIN)/coverage report --skip-covered

check: lint sql types architecture ## lint, spelling, SQL, types, architecture
	@echo "All checks passed."

lint: $(VENV)/.develop
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/codespell

sql: $(VENV)/.develop
	@$(BIN)/sqlfluff lint --disable-progress-bar metrics

types: $(VENV)/.develop
	@$(BIN)/mypy

architecture: $(VENV)/.develop
	@$(BIN)/lint-imports

# BENCH_SIZES=10000,100000,1000000,10000000 for the long ones, BENCH_JSON=FILE for all tables as JSON too.
bench: $(VENV)/.develop ## how fast it records and answers
	@$(BIN)/python -m benchmarks

HOLD ?= 30
faults: $(VENV)/.develop ## what becomes of records while something fails, HOLD seconds each: half an hour
	@$(BIN)/python -m benchmarks.faults --hold $(HOLD)

RECORDS ?= 200000
memory: $(VENV)/.develop ## how much memory the service takes over 200,000 posts
	@$(BIN)/python -m benchmarks.memory $(RECORDS)

screenshot: $(VENV)/.develop ## take the picture of the overview in the README, with Chromium
	@$(BIN)/python -m tests.screenshot

clean: ## remove the environment and what the tools have cached
	rm -rf $(VENV) $(APART)/.venv $(JAVASCRIPT)/node_modules build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(JAVASCRIPT)/node_modules/.installed: $(JAVASCRIPT)/package.json
	@npm install --prefix $(JAVASCRIPT) --no-package-lock --no-audit --no-fund --silent
	@touch $@

$(APART)/.venv/.installed: $(BIN)/python $(APART)/requirements.txt
	@$(BIN)/python -m venv $(APART)/.venv
	@$(APART)/.venv/bin/pip install --quiet --disable-pip-version-check --requirement $(APART)/requirements.txt
	@touch $@

$(VENV)/.serve: $(BIN)/python $(REQUIREMENTS)
	@echo "Installing into $(VENV) …"
	@$(PIP) --editable '.[service]'
	@touch $@

$(VENV)/.develop: $(BIN)/python $(REQUIREMENTS)
	@echo "Installing into $(VENV), with the tools for development …"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.serve
