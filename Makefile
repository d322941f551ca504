# Everything a newcomer or a build machine calls. `make demo` and `make test` set up what they need by themselves.

PYTHON ?= python3
BIN := .venv/bin
SEQUENCES ?= 60
# Where pip finds PyTorch's CPU wheels, if its default index offers GPU builds only: see "Without a GPU" in the README.
TORCH_INDEX ?=
WORKERS ?= 2

.PHONY: setup demo dev test lint format bench campaign clean

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt triage_assets.pth
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] + ": make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv, which takes a few minutes and about 2 GB the first time"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--constraint constraints.txt --editable '.[viewer,dev]'
	@touch $@

demo: setup
	@$(BIN)/triage demo --sequences $(SEQUENCES)

dev: setup
	@$(BIN)/triage dev --sequences $(SEQUENCES)

test: setup lint
	@tests/install_system_packages.sh
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not campaign'

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python benchmarks/pull.py
	$(BIN)/python benchmarks/shards.py
	$(BIN)/python benchmarks/no_op.py
	$(BIN)/python -m benchmarks.grouping
	$(BIN)/python -m benchmarks.groups
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.score
	$(BIN)/python -m benchmarks.groups_page

campaign: setup
	$(BIN)/python -m pytest -m campaign

clean:
	rm -rf .venv .dagster .mypy_cache .ruff_cache .pytest_cache
