# Everything runs in .venv, which the first target makes. `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types micro-model clean

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 2; }
	@echo "installing into $(VENV), which takes a minute or two"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check "torch==2.13.0"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[local]"
	@touch $@

# Tests and linters need more than a user does.
$(VENV)/developer: $(VENV)/installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[local,dev]"
	@touch $@

# The sandbox is the one part that pip cannot install.
.PHONY: sandbox
sandbox:
	@command -v bwrap >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq bubblewrap; } || { echo "bubblewrap is missing; install it (Debian and Ubuntu: sudo apt install bubblewrap), then try again."; exit 2; }

demo: $(VENV)/installed sandbox
	$(BIN)/ptb demo

test: $(VENV)/developer sandbox
	$(BIN)/pytest --numprocesses auto --maxprocesses 3 --dist loadfile

lint: $(VENV)/developer
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Rebuilds the two micro models from their script: some fifteen minutes on one core.
micro-model: $(VENV)/installed
	$(BIN)/python scripts/micro_model/train.py --out src/posttrainbench/catalog/micro-models

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
