# What a contributor runs. Nothing is needed but Python 3.10 or later and make: everything else
# is installed into .venv, once, and again when the metadata change.

PYTHON ?= python3
LOWEST_PYTHON ?= $(shell .ci/find-python lowest)
VENV ?= .venv
REQUESTS ?= 5000
LOWEST_VENV ?= .venv-lowest

# Some lines are for one database alone: full coverage is demanded where all three are tested.
COVERAGE := $(if $(and $(SQLSESSION_POSTGRESQL_URL),$(SQLSESSION_MARIADB_URL)),,--cov-fail-under=0)

METADATA := pyproject.toml setup.py $(wildcard demo/pyproject.toml demo/setup.py)
DEMO := $(if $(wildcard demo/pyproject.toml demo/setup.py),-e ./demo)
DOCUMENTS := $(wildcard *.rst)

.PHONY: help test test-lowest leaks browser demo load faults galera failover bench growth instructions docs audit lint format check-wheel distclean

help:
	@echo "make test         run the whole suite with the newest versions of everything"
	@echo "make test-lowest  run it with the oldest supported versions"
	@echo "make leaks        run it with everything logged, and search all that can be read for ids"
	@echo "make browser      visit the demo with Chromium, and take pictures of it (in .pictures)"
	@echo "make demo         serve the demo on http://localhost:6543"
	@echo "make load         visit a served shop, and count what was acknowledged (REQUESTS=5000)"
	@echo "make faults       break databases, disks, processes and clocks under that load"
	@echo "make galera       the same on three nodes of MariaDB, one of them killed"
	@echo "make failover     the same on PostgreSQL, which is killed and replaced by its standby"
	@echo "make bench        measure what a session costs, beside the least possible and other stores"
	@echo "make instructions count those of a request (COMMITS=\"main HEAD\" compares them)"
	@echo "make growth       measure what a session costs in large tables, and large sessions"
	@echo "make docs         make the documentation, in .docs/html; a warning is an error"
	@echo "make audit        look for known vulnerabilities in all that is installed (takes the network)"
	@echo "make lint         check style, types and documents"
	@echo "make format       let ruff format the code"
	@echo "make check-wheel  build the wheel and try it in an empty environment"
	@echo "make distclean    remove the environments and everything else that was made"

test: $(VENV)/.test-installed $(if $(SQLSESSION_BROWSER),$(VENV)/.browser-installed)
	@.ci/say-databases
	@.ci/say-browser
	$(VENV)/bin/python -m pytest --cov $(COVERAGE)

test-lowest: $(LOWEST_VENV)/.test-installed
test-lowest: $(if $(SQLSESSION_BROWSER),$(LOWEST_VENV)/.browser-installed)
	@.ci/say-databases
	@.ci/say-browser
	$(LOWEST_VENV)/bin/python -m pytest --search-leaks --without-echo

leaks: $(VENV)/.test-installed
	@.ci/say-databases
	$(VENV)/bin/python -m pytest --search-leaks --ignore=tests/browser

# The browser that the environment names, or the one that .ci/browser finds or installs.
browser: $(VENV)/.browser-installed
	@browser=$${SQLSESSION_BROWSER:-$$(.ci/browser)} && export SQLSESSION_BROWSER="$$browser" && \
	$(VENV)/bin/python -m pytest tests/browser && \
	$(VENV)/bin/python -W ignore -m tests.browser.pictures \
	    --all .pictures $(if $(PICTURE),--one $(PICTURE))

load: $(VENV)/.test-installed
	@.ci/say-databases
	@$(VENV)/bin/python -W ignore -m benchmarks.load --requests $(REQUESTS)

faults: $(VENV)/.test-installed
	@$(VENV)/bin/python -W ignore -m benchmarks.faults

galera failover: $(VENV)/.test-installed
	@$(VENV)/bin/python -W ignore -m benchmarks.cluster $@ --requests $(REQUESTS)

instructions: $(VENV)/.test-installed
	@$(VENV)/bin/python -m benchmarks.instructions $(COMMITS)

bench: $(VENV)/.bench-installed
	@$(VENV)/bin/python -W ignore -m benchmarks.bench --write docs/benchmarks --keep .bench/times.json

growth: $(VENV)/.bench-installed
	@$(VENV)/bin/python -W ignore -m benchmarks.growth --write docs/benchmarks

demo: $(VENV)/.demo-installed
	@echo "The demo is served on http://localhost:6543 (stop it with Ctrl+C)"
	@$(VENV)/bin/pserve demo/development.ini

lint: $(VENV)/.lint-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	for document in $(DOCUMENTS); do \
	    $(VENV)/bin/docutils --halt=warning --report=warning $$document /dev/null || exit 1; \
	done

docs: $(VENV)/.docs-installed
	$(VENV)/bin/python -W ignore -m sphinx --fail-on-warning --keep-going --fresh-env --quiet \
	    -d .docs/doctrees docs .docs/html
	@echo "The documentation is in .docs/html/index.html"

# Strict, as it would otherwise find nothing where it can ask nobody; and then our own packages, which
# nobody has advisories of, must not be among what is asked for.
audit: $(VENV)/.audit-installed
	$(VENV)/bin/python -m pip freeze --exclude-editable >$(VENV)/audited.txt
	$(VENV)/bin/python -m pip_audit --strict --no-deps --disable-pip -r $(VENV)/audited.txt

format: $(VENV)/.lint-installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

check-wheel:
	.ci/check-wheel $(PYTHON)

distclean:
	rm -rf $(VENV) $(LOWEST_VENV) .bench .docs .pictures build dist *.egg-info demo/*.egg-info .coverage* htmlcov
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@.ci/make-venv "$(PYTHON)" $(VENV)

$(LOWEST_VENV)/bin/python:
	@.ci/make-venv "$(LOWEST_PYTHON)" $(LOWEST_VENV)

$(VENV)/.test-installed: $(VENV)/bin/python $(METADATA)
	@echo "Installing the package and what its tests need into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -e ".[test]" $(DEMO)
	@touch $@

$(VENV)/.lint-installed: $(VENV)/bin/python $(METADATA)
	@echo "Installing the package and what its checks need into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -e ".[test,browser,lint]" $(DEMO)
	@touch $@

$(VENV)/.audit-installed: $(VENV)/.test-installed
	@echo "Installing what knows where to ask for vulnerabilities into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -e ".[encryption,progress,audit]"
	@touch $@

$(VENV)/.browser-installed: $(VENV)/.test-installed
	@echo "Installing what drives a browser into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -e ".[browser]"
	@touch $@

$(VENV)/.docs-installed: $(VENV)/bin/python $(METADATA)
	@echo "Installing the package and what its documentation needs into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -e ".[docs]"
	@touch $@

$(VENV)/.bench-installed: $(VENV)/bin/python $(METADATA)
	@echo "Installing the package and what its benchmarks need into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -e ".[test,bench]" $(DEMO)
	@touch $@

$(VENV)/.demo-installed: $(VENV)/bin/python $(METADATA)
	@echo "Installing the package and the demo into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -e . $(DEMO)
	@touch $@

$(LOWEST_VENV)/.test-installed: $(LOWEST_VENV)/bin/python $(METADATA) .ci/lowest.txt
	@echo "Installing the oldest supported versions into $(LOWEST_VENV)"
	@$(LOWEST_VENV)/bin/python -m pip install --quiet -c .ci/lowest.txt setuptools -e ".[test]" $(DEMO)
	@touch $@

$(LOWEST_VENV)/.browser-installed: $(LOWEST_VENV)/.test-installed
	@echo "Installing what drives a browser into $(LOWEST_VENV)"
	@$(LOWEST_VENV)/bin/python -m pip install --quiet -c .ci/lowest.txt -e ".[browser]"
	@touch $@
