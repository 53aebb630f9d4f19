# SPDX-License-Identifier: Apache-2.0
# Every target works on a machine that has only Python >= 3.11, pip and make: uv comes into .uv-bootstrap, everything else into .venv.
# Nothing is installed outside this folder and no Python is downloaded. A second run of any target starts at once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

UV_VERSION := 0.13.9
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$python >/dev/null && $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$python && break; done)

ROOT := $(CURDIR)
UV := PYTHONPATH=$(ROOT)/.uv-bootstrap $(ROOT)/.uv-bootstrap/bin/uv
VENV := $(ROOT)/.venv
STAMPS := $(VENV)/stamps
MUNIMENT := $(VENV)/bin/muniment
TEST_PROCESSES ?= 3

CONTRACT_SOURCES := $(shell find contracts -type f 2>/dev/null) src/muniment/infra/evm/compile.py
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' 2>/dev/null)

# uv does not read pip's settings; a machine whose pip has an index of its own should not have to say so twice.
uv_settings = index="$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null || true)}"; \
	if [ -n "$$index" ] && [ -z "$${UV_DEFAULT_INDEX:-}$${UV_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	if [ -n "$${PIP_CERT:-}" ] && [ -z "$${SSL_CERT_FILE:-}" ]; then export SSL_CERT_FILE="$$PIP_CERT"; fi; \
	export UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy VIRTUAL_ENV="$(VENV)"

.PHONY: help
help: ## Show the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target what; do printf '  make %-10s %s\n' "$$target" "$$what"; done

.PHONY: demo run test test-long mutants invariants proofs check bench bench-gas install lock clean
demo: install ## Tokenise, onboard, issue, transfer and pay a dividend on a real chain.
	@$(MUNIMENT) demo

run: install ## Start database, chain, worker and web in the foreground; Ctrl-C stops them.
	@$(MUNIMENT) up

test: install ## Run the tests, without those marked long.
	@$(VENV)/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -m "not long" tests

test-long: install ## Run the soaks and the other tests that take minutes each.
	@$(VENV)/bin/python -m pytest -m long tests

invariants: install ## Let forge call a security at random half a million times.
	@$(VENV)/bin/python -m tests.forge.invariants

proofs: install ## Prove the theorems about the contracts, for every number there is.
	@$(uv_settings); $(VENV)/bin/python -m tests.forge.proofs

mutants: install ## Take each refusal out of the contracts in turn and see a test turn red; an hour.
	@$(VENV)/bin/python -m tests.contracts.mutants --report docs/reference/mutants.md

check: install ## Format, lint, types, imports and tidy tests, in less than a minute.
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/pyrefly check --summary=none
	@$(VENV)/bin/lint-imports --config .importlinter
	@if [ -d tests/tidy ]; then $(VENV)/bin/python -m pytest -q tests/tidy; fi

bench: install ## Run every bench and print its figures as JSON.
	@for bench in bench/*.py; do [ -e "$$bench" ] || { echo "no bench yet"; break; }; $(VENV)/bin/python "$$bench" --json; done

bench-gas: install ## Show our gas beside the ERC-3643 reference's and a plain ERC-20's.
	@$(VENV)/bin/python bench/gas.py

install: $(STAMPS)/project $(STAMPS)/assets ## Bring .venv, contracts and web up to date.

lock: .uv-bootstrap/bin/uv ## Resolve requirements.lock again from pyproject.toml (hashes, no index addresses).
	@$(uv_settings); $(UV) pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--all-extras --output-file requirements.lock pyproject.toml

clean: ## Remove what the targets above made, except MUNIMENT_HOME.
	rm -rf .venv .uv-bootstrap .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist web/node_modules \
		src/muniment/infra/evm/artifacts src/muniment/app/web/static

.uv-bootstrap/bin/uv:
	@[ -n "$(PYTHON)" ] || { echo "Muniment needs Python 3.11 or later; none was found. Install one or run: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "installing uv $(UV_VERSION) into .uv-bootstrap"
	@rm -rf .uv-bootstrap && $(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .uv-bootstrap uv==$(UV_VERSION)

$(VENV)/bin/python: | .uv-bootstrap/bin/uv
	@$(uv_settings); $(UV) venv --quiet --no-python-downloads --allow-existing --python "$$(command -v $(PYTHON))" $(VENV)

$(STAMPS)/requirements: requirements.lock | $(VENV)/bin/python
	@echo "installing the locked requirements into .venv"
	@$(uv_settings); $(UV) pip install --quiet --require-hashes -r requirements.lock
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/project: pyproject.toml hatch_build.py $(STAMPS)/requirements
	@echo "installing muniment into .venv"
	@$(uv_settings); $(UV) pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

$(STAMPS)/assets: $(CONTRACT_SOURCES) $(WEB_SOURCES) $(STAMPS)/project
	@$(VENV)/bin/python hatch_build.py
	@touch $@
