# The one door. Every target sets up what it needs; `make help` lists them.
#   make run ARGS='--dir=/tmp'    make test T='tests/unit -k ranges'    make test JOBS=4    PYTHON=python3.12 make build

VENV   ?= .venv
PYTHON ?=
ARGS   ?=
T      ?=
JOBS   ?= 2
BIN    := $(VENV)/bin
PY     := $(BIN)/python
PYTEST := $(PY) -m pytest $(PYTEST_ARGS)
PIP    := $(PY) -m pip --disable-pip-version-check install --quiet
EXT    := $(wildcard ext/*.pyx ext/*.pxd slasshy_rpc/*.pxd)
CODE   := $(shell find slasshy_rpc -name '*.py')

.DEFAULT_GOAL := help
.PHONY: help run test build lint format unit engine contract differential fault hostile browser packaging \
        bench sanitize docs dist clean
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z ]*\):.*## \(.*\)/\1	\2/p' Makefile | awk -F'\t' '{ split($$1, names, " "); for (i in names) printf "  make %-13s %s\n", names[i], $$2 }'

run: build ## set everything up and run the server; ARGS='…' are its options
	@exec $(BIN)/slasshy-rpc $(ARGS)

# What measures, and what wants the machine to itself, comes after all that may run side by side.
ALONE := tests/hostile tests/bench
test: build $(VENV)/test.stamp ## set everything up and run all tests; T='…' narrows them, JOBS=1 one at a time
ifeq ($(T),)
	@$(PYTEST) --numprocesses=$(JOBS) --dist=loadfile $(ALONE:%=--ignore=%)
	@$(PYTEST) $(ALONE)
else
	@$(PYTEST) $(T)
endif

build: $(VENV)/build.stamp $(VENV)/bytecode.stamp ## the virtual environment and the compiled engine

# ── the environment: stamps, so that nothing is done twice ──

$(PY):
	@python=$$(sh tools/find_python.sh $(PYTHON)) && "$$python" -m venv --clear $(VENV)

# An editable install by path: an import hook would cost every start some milliseconds.
$(VENV)/run.stamp: pyproject.toml setup.py | $(PY)
	@echo "Installing what slasshy-rpc needs into $(VENV) …"
	@$(PIP) $$($(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
	@$(PIP) --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	@echo "Installing what the tests need into $(VENV) …"
	@$(PIP) --no-build-isolation --config-settings editable_mode=compat --editable '.[test]'
	@touch $@

$(VENV)/build.stamp: $(VENV)/run.stamp $(EXT)
	@echo "Compiling the engine …"
	@$(PY) setup.py --quiet build_ext --inplace
	@touch $@

# Where the environment forbids Python to keep bytecode, every start would compile all modules anew.
$(VENV)/bytecode.stamp: $(CODE) | $(PY)
	@$(PY) -m compileall -q slasshy_rpc
	@touch $@

# ── checks ──

lint: build $(VENV)/test.stamp ## ruff, mypy --strict, import contracts, Cython lint, the engine's stub
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	PATH="$(abspath $(BIN)):$$PATH" cython-lint ext
	$(BIN)/stubtest slasshy_rpc._engine slasshy_rpc._channel

format: build $(VENV)/test.stamp ## put every file into ruff's format
	@$(BIN)/ruff format .

unit engine contract differential fault hostile browser packaging: build $(VENV)/test.stamp ## one folder of tests
	@$(PYTEST) tests/$@ $(T)

bench: build $(VENV)/test.stamp ## speed, memory and processor time beside aria2c, curl and axel
	@$(PY) -m tests.bench $(ARGS)

sanitize: build $(VENV)/test.stamp ## the engine's tests under ASan, UBSan and TSan
	@sh tools/sanitize.sh $(PY) address,undefined $(T)
	@sh tools/sanitize.sh $(PY) thread $(T)

# ── what is handed out ──

docs: build ## write the documents that come from tables
	@$(PY) -m tools.write_docs

dist: build $(VENV)/test.stamp ## the sdist and a wheel built from it, in dist/
	@$(PY) -m build --outdir dist .

clean: ## remove everything that make made
	rm -rf $(VENV) build dist slasshy_rpc.egg-info slasshy_rpc/_channel.*.so slasshy_rpc/_engine.*.so
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
