# Everything runs in .venv, which the first target creates. Start with `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types micro-model vllm clean

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 2; }
	@echo "installing into $(VENV); this takes a few minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check "torch==2.13.0"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[local,report]"
	@$(BIN)/python -m posttrainbench.audit.compile_kernels || echo "The audit's kernels were not compiled; the first audit or scan does it."
	@touch $@

# Additional packages for tests and linters.
$(VENV)/developer: $(VENV)/installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[local,report,dev]"
	@touch $@

# pip cannot install the sandbox.
.PHONY: sandbox
sandbox:
	@command -v bwrap >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq bubblewrap; } || { echo "bubblewrap is missing; install it (Debian and Ubuntu: sudo apt install bubblewrap) and try again."; exit 2; }

# A real scheduler for the tests of the launcher `slurm`, which are skipped without it.
.PHONY: scheduler
scheduler:
	@PATH="$$PATH:/usr/sbin"; command -v slurmctld >/dev/null && command -v munged >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq slurm-wlm munge >/dev/null; } || echo "Slurm is not installed; its tests will be skipped."

# A browser for the tests of the site, which are skipped without it.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || echo "Chromium is not installed; its tests will be skipped."

demo: $(VENV)/installed sandbox
	$(BIN)/ptb demo

# A real vLLM in an environment of its own: its CPU build where there is no GPU.
vllm: $(VENV)/installed
	@$(BIN)/python scripts/install_vllm.py

# For tests, which are skipped where it cannot be installed.
.PHONY: optional-vllm
optional-vllm: $(VENV)/installed
	@$(BIN)/python scripts/install_vllm.py --optional

test: $(VENV)/developer sandbox scheduler browser optional-vllm
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/developer
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# The documentation site, in build/site/. Broken links and pages without an entry in the navigation are errors.
.PHONY: docs
docs: $(VENV)/developer
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Rebuild the two micro models from their script: about fifteen minutes on one core.
micro-model: $(VENV)/installed
	$(BIN)/python scripts/micro_model/train.py --out src/posttrainbench/catalog/micro-models

clean:
	rm -rf $(VENV) .venv-vllm build dist .mypy_cache .ruff_cache .pytest_cache
