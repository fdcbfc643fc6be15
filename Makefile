.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo up test check bench crash oracles containers elsewhere long lock clean format lint types imports compatibility

MAKEFLAGS += --no-print-directory
BIN := .venv/bin
# python3.11 where it answers (a version manager may keep a name that runs nothing), else python3.
PYTHON ?= $(shell for each in python3.11 python3; do $$each -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && exit; done; echo python3.11)
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
export PIP_ROOT_USER_ACTION := ignore
# "make test ARGS='-k lateness'" hands anything on to pytest.
ARGS ?=
ELSEWHERE := not (containers or browser or long or crash or elsewhere or oracles)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed ## a month of an office of our own making, re-adjudicated
	@$(BIN)/bailiwick demo

up: .venv/.installed ## the embedded system, until Ctrl-C
	@$(BIN)/bailiwick up

test: .venv/.installed ## every test that needs nothing but this machine
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m "$(ELSEWHERE)" $(ARGS)

crash: .venv/.installed ## 200 seeded rounds of faults and 2,000 simulated schedules
	@$(BIN)/python -m pytest -s -n 2 --dist loadgroup -m crash $(ARGS)

long: .venv/.installed ## the tests that take minutes
	@$(BIN)/python -m pytest -m long $(ARGS)

oracles: .venv/.installed build/oracles/.installed ## exports read by pm4py, in an environment of its own
	@$(BIN)/python -m pytest -m oracles $(ARGS)

build/oracles/.installed: infra/requirements-oracles.lock
	@test -x build/oracles/bin/python || $(PYTHON) -m venv --clear build/oracles
	@build/oracles/bin/python -m pip -qq --disable-pip-version-check --no-input install --require-hashes -r $<
	@touch $@

containers: .venv/.installed ## the same behaviour on servers in containers (needs a Docker engine)
	@$(BIN)/python -m tests.containers
	@BAILIWICK_TEST_CONTAINERS=1 $(BIN)/python -m pytest -m containers $(ARGS)
	@BAILIWICK_TEST_CONTAINERS=1 $(BIN)/python -m pytest tests/kernel $(ARGS)

elsewhere: .venv/.installed ## a subscriber in Node and other people's judges (needs Node and the package registries)
	@$(BIN)/python -m pytest -m elsewhere $(ARGS)

bench: .venv/.installed ## measurements; nothing fails on a number
	@$(BIN)/python -m tests.bench $(ARGS)

check: .venv/.installed ## style, types, import rules, and every kept release of the contracts
	@$(MAKE) -k -j2 --output-sync=target format lint types imports compatibility

format: .venv/.installed
	@$(BIN)/ruff format --quiet --check --output-format concise . && echo "format: ok"

lint: .venv/.installed
	@$(BIN)/ruff check --quiet --output-format concise . && echo "lint: ok"

types: .venv/.installed
	@$(BIN)/mypy --no-error-summary && echo "types: ok"

imports: .venv/.installed
	@PYTHONPATH= $(BIN)/lint-imports --no-logo >.venv/imports.log 2>&1 && echo "imports: ok" || { cat .venv/imports.log; exit 1; }

compatibility: .venv/.installed
	@$(BIN)/python -m bailiwick_contracts.compatibility contracts/released && echo "compatibility: ok"

lock: ## both lock files, compiled anew from the two pyproject files
	@test -x build/uv/bin/uv || { $(PYTHON) -m venv build/uv && build/uv/bin/python -m pip -qq --disable-pip-version-check install uv; }
	@$(COMPILE) --group tests --output-file infra/requirements.lock
	@$(COMPILE) --constraint infra/requirements.lock --output-file infra/requirements-runtime.lock
	@build/uv/bin/uv pip compile --group oracles $(COMPILED) --output-file infra/requirements-oracles.lock
	@! grep -nE 'https?:|file:' infra/*.lock

COMPILED = --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	--no-annotate --quiet $(UPGRADE)
COMPILE = build/uv/bin/uv pip compile pyproject.toml contracts/pyproject.toml --all-extras --group build \
	--no-emit-package bailiwick-contracts $(COMPILED)

clean: ## remove the environment, builds and caches; data of runs (var/) stays
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: infra/requirements.lock pyproject.toml contracts/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bailiwick needs Python 3.11 or later with venv"; exit 1; }
	@echo "preparing .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear .venv
	@$(PIP) install --require-hashes -r infra/requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e contracts -e .
	@touch $@
