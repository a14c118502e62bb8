# Two commands are enough: `make demo` shows what Ferrule makes of an example, `make test` checks
# everything. Both first install what they need into .venv, once.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := $(wildcard announce apply commands compiler observe reconcile schemas templates cli.py)

.NOTPARALLEL:
.PHONY: demo test check soak format goldens schemas manifests machine import-path

demo: .venv/installed
	$(BIN)/ferrule render -o build/demo examples/fabric
	@echo
	@tail -n +1 build/demo/nodes/node-1/frr.conf build/demo/switches/tor-a/config_db.json

test: machine check

# What test does, on a machine that is left as it is.
check: .venv/installed-for-tests import-path
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

# The long campaigns, and every property with many more examples, new ones each time.
soak: machine .venv/installed-for-tests
	$(BIN)/pytest -m "soak or hypothesis" --hypothesis-profile=soak

format: .venv/installed-for-tests
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

goldens: .venv/installed-for-tests
	$(BIN)/pytest tests/test_golden.py --snapshot-update

schemas: .venv/installed-for-tests
	$(BIN)/pytest tests/test_schema.py --snapshot-update

# deploy/manifests and the CRDs of the chart; needs helm.
manifests: .venv/installed
	PATH=$(CURDIR)/$(BIN):$$PATH deploy/render

# FRR and what its tests use come from apt. Without root the tests say what they leave out.
machine:
	@if [ "$$(id -u)" = 0 ]; then tests/daemon/install || [ "$$CI" != true ]; fi

# Gives the checkout its import name for tools that only read paths (mypy, pyright).
import-path:
	@mkdir -p build/import/ferrule
	@find build/import -xtype l -delete
	@for entry in $(PACKAGES); do ln -sfn ../../../$$entry build/import/ferrule/$$entry; done

# Debian's pip knows no --group. The silenced warning is about folders named ferrule: there is none.
.venv/installed: pyproject.toml | .venv/bin/pip
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --editable .
	@touch $@

.venv/installed-for-tests: .venv/installed
	$(BIN)/pip install --quiet --group dev
	@touch $@

# Debian packages what `python -m venv` needs apart from python3.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $$($(PYTHON) --version) is too old: Ferrule needs Python 3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  [ "$$(id -u)" = 0 ] || { echo "make: as root, run: apt-get install python3-venv" >&2; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes \
	    apt-get install -qq -y --no-install-recommends python3-venv </dev/null >/dev/null; }
	$(PYTHON) -m venv .venv
