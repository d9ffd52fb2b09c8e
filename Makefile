# `make help` lists the targets. Every target builds what it needs in .venv from the hash-pinned lock files.
# ARGS are passed on to play and demo: make play ARGS="--port 8081 --city-port 9091"

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
FAST := not real and not soak and not bench

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help play demo serve kafka test test-real soak bench check format lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: .venv/.ready ## plays cases through all five services on this machine and prints their timelines
	$(BIN)/tongban demo $(ARGS)

play: .venv/.ready ## suite and pretend city stay up, with cases in every state, keys and tokens; Ctrl-C ends it (ARGS="--port …")
	$(BIN)/tongban play $(ARGS)

serve: .venv/.ready ## the suite alone on port 8080, with the keys and the issuer of TONGBAN_… (to try it out: make play)
	$(BIN)/tongban serve

kafka: .venv/.ready ## a local Apache Kafka on 127.0.0.1:9092 to try things with (needs Java 17 and Maven)
	$(BIN)/python -m tests.real.local

test: .venv/.ready-dev ## what needs only Python, but for the repository's rules (make check) and the longest kills
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m "$(FAST)" --ignore=tests/architecture

test-real: .venv/.ready-dev ## the tests on Apache Kafka and a MongoDB server (needs Java 17, Maven and libfaketime), and on replicas
	$(BIN)/python -m tests.real.backends install
	$(BIN)/python -m pytest -q -m "real and not soak" --on=kafka,mongo
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m "$(FAST)" --replicas=2 tests/capabilities

soak: .venv/.ready-dev ## the long runs: chaos and fuzzing
	$(BIN)/python -m pytest -q -m soak

bench: .venv/.ready-dev build/bench-dbos/.ready ## the figures of the README; writes build/bench.json
	$(BIN)/python -m tests.bench

check: .venv/.ready-dev ## format, lint, types, import rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/architecture

format: .venv/.ready-dev ## formats the code and mends what lint can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: .venv/.ready-dev ## writes requirements/*.txt anew from requirements/*.in
	$(BIN)/uv pip compile --quiet --upgrade $(LOCK) --output-file requirements/base.txt requirements/base.in
	$(BIN)/uv pip compile --quiet --upgrade $(LOCK) --output-file requirements/dev.txt requirements/dev.in
	$(BIN)/uv pip compile --quiet --upgrade $(LOCK) --output-file requirements/bench-dbos.txt requirements/bench-dbos.in

# Neither an index address nor a path of this machine may enter a lock file; hence the fixed header, too.
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"

clean: ## removes everything that make has built
	rm -rf .venv build contracts/build *.egg-info contracts/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -type d -prune -exec rm -rf {} +

.venv/.ready: requirements/base.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and no python3 was found; try make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, but $(PYTHON) is $$("$(PYTHON)" -V 2>&1); try make PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(PIP) install -q --require-hashes --only-binary=:all: -r requirements/base.txt
	$(PIP) install -q --no-build-isolation --no-deps -e .
	@touch $@

.venv/.ready-dev: .venv/.ready requirements/dev.txt
	$(PIP) install -q --require-hashes --only-binary=:all: -r requirements/dev.txt
	@touch $@

# What the bench compares with stays out of .venv: it wants other versions of what we use.
build/bench-dbos/.ready: requirements/bench-dbos.txt
	"$(PYTHON)" -m venv build/bench-dbos
	build/bench-dbos/bin/python -m pip --disable-pip-version-check --no-input install -q --require-hashes --only-binary=:all: -r $<
	@touch $@
