# Everything the project needs is set up by the first target that needs it: only python3 >= 3.11 is assumed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
UV     := uv==0.13.8

PROTO_DIR := proto/opensqt/market_maker/v1
TYPED     := domain activities workflows workers $(wildcard tests bench)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:  # the set-up steps install into one environment

.PHONY: help
help:  ## Print this help
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---- use it

.PHONY: run
run: $(VENV)/run.stamp $(VENV)/project.stamp  ## Start the whole local stack with a demo grid (Ctrl-C stops it)
	$(BIN)/opensqt up --demo

# ---- check it

.PHONY: test
test: dev  ## Run the tests, three at once; choose some with ARGS="-k saga"
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

.PHONY: lint lint-code lint-types lint-imports
lint: lint-code lint-types lint-imports proto-check  ## Check style, types, the direction of imports, generated code

lint-code: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

lint-types: dev
	$(BIN)/mypy $(TYPED)

lint-imports: dev
	$(BIN)/lint-imports

.PHONY: check
check: lint test  ## Everything that has to pass before a commit: lint and test

.PHONY: counts
counts: dev  ## Count 100,000 market messages and 10,000 order events at each venue, at both ends
	OPENSQT_TEST_COUNTS=whole $(BIN)/python -m pytest tests/contract/test_counts.py --timeout 900 $(ARGS)

.PHONY: bench
bench: dev  ## Run the benchmarks
	$(BIN)/python -m bench $(ARGS)

.PHONY: fuzz
fuzz: dev  ## Compare both runners with the plain loop in 10,000 examples; other options with ARGS="--seed 2"
	$(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: crashlab
crashlab: dev  ## Kill everything at every step, a thousand times; some options with ARGS="--kills 100"
	$(BIN)/opensqt crashlab --seed 7 --kills 1050 --report crashlab $(ARGS)

.PHONY: crashlab-pairs
crashlab-pairs: dev  ## The same to pairs, and to the two exchanges of each; some options with ARGS="--kills 100"
	$(BIN)/opensqt crashlab --pairs --seed 7 --kills 580 --report crashlab-pairs $(ARGS)

# ---- change it

.PHONY: fmt
fmt: dev  ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

PROTOC = $(BIN)/python -m grpc_tools.protoc --proto_path=proto

# $(call generate,DIR): the generated code of all of proto/, below DIR.
generate = $(PROTOC) --python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) $(PROTO_DIR)/*.proto

.PHONY: proto
proto: dev  ## Generate the gRPC code beside its .proto files
	$(call generate,proto)

.PHONY: proto-check
proto-check: dev  ## Check that the generated gRPC code is that of its .proto files
	@if ls $(PROTO_DIR)/*.proto >/dev/null 2>&1; then \
	    new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && $(call generate,"$$new") \
	    && (cd "$$new" && find . -name '*_pb2*') | while read -r file; do \
	        diff -q "$$new/$$file" "proto/$$file" >/dev/null \
	        || { echo "proto/$${file#./} is not what its .proto generates: run make proto" >&2; exit 1; }; \
	    done; \
	fi

COMPILE = $(VENV)/lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --quiet --group build

.PHONY: lock
lock: $(VENV)/python.stamp  ## Compile the lock files from pyproject.toml; newer versions with ARGS=--upgrade
	@test -x $(VENV)/lock/bin/uv || { $(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/python -m pip install -q $(UV); }
	$(COMPILE) $(ARGS) --output-file requirements.lock
	$(COMPILE) $(ARGS) --group dev --constraints requirements.lock --output-file requirements-dev.lock

.PHONY: clean
clean:  ## Remove the environment, caches and build results (not the data in .opensqt)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* htmlcov
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# ---- set it up: one environment, a stamp for each thing installed in it

.PHONY: dev
dev: $(VENV)/dev.stamp $(VENV)/project.stamp  ## Set up the development environment in .venv

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1): try make PYTHON=python3.12" >&2; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV) \
	    || { echo "no environment could be made: Debian and Ubuntu need apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/run.stamp: requirements.lock | $(VENV)/python.stamp
	$(PIP) install --require-hashes --requirement $<
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock | $(VENV)/python.stamp
	$(PIP) install --require-hashes --requirement $<
	@touch $@

# Both locks hold the build backend, so that installing the project itself downloads nothing.
$(VENV)/project.stamp: pyproject.toml | $(VENV)/python.stamp
	@$(BIN)/python -c 'import hatchling, editables' 2>/dev/null || $(MAKE) --no-print-directory $(VENV)/run.stamp
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
