# Two commands do all the set-up: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3.11
# Half of what the tests take is waiting for other processes.
TEST_WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
READY_FOR_TESTS := $(VENV)/ready-for-tests

export MLOPS_HOME ?= $(CURDIR)/.mlops
export DAGSTER_HOME ?= $(MLOPS_HOME)/dagster
export MLFLOW_DISABLE_TELEMETRY := true
# mlops_assets/cli/deployment.py says why.
export DAGSTER_EVENT_BATCH_SIZE ?= 100
# Some shells forbid bytecode; without it every process compiles thousands of modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
LIVE_HOME := $(CURDIR)/.mlops-live
.PHONY: help setup demo live dev test check format lock bench clean

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## create the environment from the lock

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: found no '$(PYTHON)'. Set PYTHON=… to its path." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $(READY)

# Spark is half a gigabyte that only the tests need.
$(READY_FOR_TESTS): $(READY) requirements-spark.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement requirements-spark.lock
	@touch $(READY_FOR_TESTS)

demo: $(READY) ## real flight data to a released model, and a challenger judged
	$(BIN)/mlops demo

live: $(READY) ## a month replayed against a running service, which is watched, retrained and swapped
	MLOPS_HOME=$(LIVE_HOME) DAGSTER_HOME=$(LIVE_HOME)/dagster $(BIN)/mlops demo --live

dev: $(READY) ## Dagster's UI with history that stays, on http://127.0.0.1:3000
	@mkdir -p $(DAGSTER_HOME) && cp dagster.yaml $(DAGSTER_HOME)/
	$(BIN)/dagster dev --host 127.0.0.1 --port $(or $(PORT),3000)

test: $(READY_FOR_TESTS) ## every test; says what was left out
	$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile --durations 40

check: $(READY) ## what CI checks besides the tests: format, lint, types, definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@mkdir -p $(DAGSTER_HOME) && cp dagster.yaml $(DAGSTER_HOME)/
	$(BIN)/dagster definitions validate

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY) ## pin anew what pyproject.toml allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev --no-header \
	    --no-emit-index-url pyproject.toml --output-file requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["spark"])' | \
	    $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --constraint requirements.lock --no-header \
	    --no-emit-index-url --no-annotate - --output-file requirements-spark.lock

bench: $(READY) ## ratios side by side with peers, each in one run
	$(BIN)/python -m bench

clean: ## remove the environment and everything the demo made
	rm -rf $(VENV) .mlops $(LIVE_HOME) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
