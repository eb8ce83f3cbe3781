# The two commands to know: `make demo` and `make test`. `make` alone lists the rest.
# Written for GNU Make 3.81 (macOS) and later.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
IMAGE  ?= aistack:dev
BASE_IMAGE ?=
BUILDER ?= docker
SEEDS  ?= 0-19
# Runs a command under a title with its elapsed time; the command's output is shown when it fails.
STEP   := $(PYTHON) tests/controlplane/progress.py
LOCK   := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help venv python demo demo-down test lint unit e2e crds golden lock budget-soak bench bench-gateway pin-images prices image clean

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z][a-z-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

demo: venv ## a real Kubernetes API, the operator, and a stack brought to Ready (REAL=1, KIND=1 or KUBECONFIG=…)
	@$(BIN)/python -m demo up

demo-down: venv ## end what `make demo` started
	@$(BIN)/python -m demo down

test: lint unit ## everything that is checked: style, types, layers, Dockerfile, all tests

lint: venv ## ruff, mypy, import-linter, hadolint
	@$(STEP) "ruff check" $(BIN)/ruff check .
	@$(STEP) "ruff format" $(BIN)/ruff format --check .
	@$(STEP) "mypy" $(BIN)/mypy
	@$(STEP) "import-linter" $(BIN)/lint-imports
	@$(STEP) "hadolint" $(BIN)/hadolint Dockerfile services/*/Dockerfile

unit: venv ## pytest (ARGS="tests/unit -k queue" for a part)
	@$(BIN)/python -m tests.controlplane build
	@$(BIN)/pytest --numprocesses=2 --dist=loadfile $(ARGS)

e2e: venv ## what is rendered, on a real node: needs Linux and root (KEEP=1 leaves it up, ARGS="--report …")
	@$(BIN)/python -m tests.e2e run $(if $(KEEP),--keep) $(ARGS)

crds: venv ## write crds/ from the API types
	@$(BIN)/python -m aistack.api.crd crds/

golden: venv ## rewrite the golden files; read the difference before committing it
	@$(BIN)/python -m tests.golden

budget-soak: venv ## 1,000 stacks at once for a budget with room for 300, under random kills, 20 times (SEEDS=4-9)
	@BUDGET_CREATES=1000 BUDGET_SEEDS=$(SEEDS) $(BIN)/pytest --verbose \
		tests/integration/test_budget_contention.py $(ARGS)

bench: venv ## measure against a raw writer; writes bench/results/
	@$(BIN)/python -m bench

bench-gateway: venv ## measure the gateway beside bare Envoy and LiteLLM; writes bench/results/
	@$(BIN)/python -m bench.gateway

pin-images: venv ## look up the default images' digests where a registry can be reached
	@$(BIN)/python -m aistack.pin_images

prices: venv ## write the shipped token prices from LiteLLM's packaged price map
	@$(BIN)/python -m aistack.ship_prices

lock: venv ## resolve the dependencies again, with hashes
	@$(STEP) "requirements.lock" $(LOCK) pyproject.toml --output-file requirements.lock
	@$(STEP) "requirements-dev.lock" $(LOCK) pyproject.toml --group dev --output-file requirements-dev.lock
	@$(STEP) "requirements-litellm.lock" $(LOCK) --group litellm --output-file requirements-litellm.lock
	@$(STEP) "services/queueing/requirements.lock" $(LOCK) --group queueing \
		--output-file services/queueing/requirements.lock

image: ## build the operator's image (BUILDER=podman, BASE_IMAGE=…)
	$(BUILDER) build $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --tag $(IMAGE) .

venv: $(VENV)/.installed ## the virtual environment, from the locks

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.locked: requirements-dev.lock | python
	@$(PYTHON) -m venv $(VENV)
	@$(STEP) "installing the locked packages into $(VENV)" \
		$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "aistack needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }

clean: ## end the demonstration; remove the virtual environment and every cache of this checkout
	@test ! -d .demo || $(MAKE) demo-down
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist bench/results
