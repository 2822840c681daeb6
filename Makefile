# `make` prints the targets. A line `##@ name` begins a group, and the text after `##` beside a target is its help.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first interpreter that runs, by version: on PATH, then among pyenv's. A pyenv shim runs only its active versions.
ifndef PYTHON
PYTHON := $(shell for version in 3.12 3.13 3.11; do \
  for each in "python$$version" "$${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version".*/bin/python; do \
  "$$each" -c 'import venv, ensurepip' >/dev/null 2>&1 && { echo "$$each"; exit; }; done; done)
endif
# Empty for the newest stack; databricks-17.3 or databricks-18 for the versions of a runtime, in an environment of its own.
STACK ?=
OF_STACK := $(STACK:%=-%)
VENV := .venv$(OF_STACK)
PY := $(VENV)/bin/python
CONFIG ?= conf/local.yaml
DATASET ?= synthetic
HILLSTROM_CSV ?= ../shared/data/hillstrom.csv
# Number of test processes. Each has a Spark session of its own, which takes about 5 GiB.
WORKERS ?= 2
DIST ?= dist
LOG := .install$(OF_STACK).log
# Spark's classes, ready to be mapped into memory. Without it, each JVM reads and verifies them again.
ARCHIVE := $(VENV)/share/ptofa_spark/spark-classes.jsa
LOCK := requirements$(OF_STACK).lock
LOCKS := requirements-build.lock $(LOCK)
STACKS := $(patsubst requirements-%.lock,%,$(filter-out requirements-build.lock,$(wildcard requirements-*.lock)))
$(if $(wildcard $(LOCK)),,$(error no stack is named $(STACK): choose from $(STACKS)))
# Python keeps what it compiles, whatever the environment says. Each process would compile torch, pandas and Spark again:
# 3 seconds of a core before a job begins, and again in each of Spark's workers.
export PYTHONDONTWRITEBYTECODE :=
# The name depends on the content of the locks: only changed locks install the packages again.
INSTALLED := $(VENV)/.installed-$(shell cat $(LOCKS) setup.py | cksum | cut -d' ' -f1)

.PHONY: help install demo clean test check test-long coverage lint format settings same docs bench bench-full bench-allocate \
  bench-features bench-train bench-score bench-pipeline package audit lock check-machine

help: ## print this help
	@awk -F ':.*## ' '/^##@/ {print "\n" substr($$0, 5) ":"} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ For users

install: check-machine $(INSTALLED) $(ARCHIVE) ## install .venv and Delta Lake's JARs (demo and test do this too)

demo: check-machine $(INSTALLED) $(ARCHIVE) ## run the whole pipeline (DATASET=synthetic|hillstrom|completejourney, HILLSTROM_CSV=path)
	@$(PY) jobs/run_pipeline.py --config $(CONFIG) --dataset $(DATASET) \
	  --warehouse warehouse/$(DATASET) --report reports/$(DATASET) \
	  $(if $(filter hillstrom,$(DATASET)),--source '$(HILLSTROM_CSV)')

clean: ## remove what jobs, tests and builds wrote; keep .venv
	@rm -rf warehouse reports build dist *.egg-info spark-warehouse derby.log metastore_db \
	  .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

##@ For developers

test: check-machine $(INSTALLED) $(ARCHIVE) ## run all tests, or some (TESTS=path, WORKERS=1), on a STACK: databricks-17.3, databricks-18
	@HILLSTROM_CSV='$(HILLSTROM_CSV)' $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=10 $(TESTS)

check: lint ## run what an edit needs: lint, types, direction of imports, the quick tests without Spark; a minute
	@$(PY) -m pytest -n $(WORKERS) -m 'kernel and not long and not thorough' tests

test-long: check-machine $(INSTALLED) $(ARCHIVE) ## run the long tests, some hours, and write docs/measured/long_tests.md
	@HILLSTROM_CSV='$(HILLSTROM_CSV)' $(PY) -m pytest -n $(WORKERS) -m long $(if $(TESTS),,-p tests.long_tests --summary=docs/measured/long_tests) $(TESTS)

coverage: check-machine $(INSTALLED) $(ARCHIVE) ## run all tests and print the lines and branches that no test ran, in workers too
	@mkdir -p build
	@HILLSTROM_CSV='$(HILLSTROM_CSV)' $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  --cov=ptofa_spark --cov-report=term-missing:skip-covered $(TESTS)

lint: $(INSTALLED) ## check style, types and the direction of imports
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

settings: $(INSTALLED) ## write conf/every_setting.yaml, after a change of settings, models, data sets or methods
	@$(PY) -m ptofa_spark.pipeline.every_setting > conf/every_setting.new && mv conf/every_setting.new conf/every_setting.yaml

format: $(INSTALLED) ## format the code
	@$(VENV)/bin/ruff check --fix --quiet .
	@$(VENV)/bin/ruff format --quiet .

same: $(INSTALLED) ## prove that a refactoring (BASE=commit) or a STACK changes no result (ONLY=name); 25 minutes
	@$(if $(STACK),$(MAKE) --no-print-directory install STACK=)
	@PYTHONPATH=. .venv/bin/python -m tests.same.same $(if $(BASE),'$(BASE)') $(if $(STACK),--python=$(PY)) $(if $(ONLY),--only='$(ONLY)')

docs: $(INSTALLED) ## build the API reference from the docstrings into dist/docs; a warning stops the build
	@rm -rf '$(DIST)/docs'
	@# pdoc imports every module. Some packages that these modules import run a program to learn the processor's name.
	@PDOC_ALLOW_EXEC=1 $(PY) -W error::UserWarning -m pdoc --docformat google --output-directory '$(DIST)/docs' ptofa_spark
	@echo "$(DIST)/docs/index.html"

##@ For maintainers

BENCHMARKS := PYTHONPATH=. $(PY) benchmarks
# The small size is measured from nothing, in a folder of its own: tables and lines of the full size are kept.
SMALL := warehouse/bench-small
SMALL_USERS := 100000

bench: check-machine $(INSTALLED) ## run every benchmark at a small size, into docs/measured; 15 minutes
	@rm -rf $(SMALL)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/allocate.py --bench $(SMALL) --many-funds 0 \
	  --small 5000 --large '' --shapes tight --ip-seconds 10
	@$(BENCHMARKS)/features.py --bench $(SMALL) --users $(SMALL_USERS)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/row_groups.py --bench $(SMALL) --users $(SMALL_USERS) --sizes 0,4
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/train.py --bench $(SMALL) --users $(SMALL_USERS) \
	  --exposures 250000 --memory-rows 250000
	@$(BENCHMARKS)/score.py --bench $(SMALL) --users $(SMALL_USERS)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/udf_kinds.py --bench $(SMALL) --users $(SMALL_USERS)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/pipeline.py --bench $(SMALL) --users 20000 --one-process
	@$(BENCHMARKS)/report.py small

# -j1: benchmarks that run at the same time would slow each other down. -k: a part that fails does not stop the others.
bench-full: ## run every benchmark at up to 10 million users, into docs/measured; hours
	@$(MAKE) --no-print-directory -j1 -k bench-allocate bench-features bench-train bench-score bench-pipeline

bench-allocate: check-machine $(INSTALLED) ## time every allocation method, 5 thousand to 10 million users; 2 hours
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/allocate.py $(BENCH)
	@$(BENCHMARKS)/report.py full allocate

bench-features: check-machine $(INSTALLED) ## time build_features at 1 and 10 million users, and the sizes of row groups
	@$(BENCHMARKS)/features.py $(BENCH)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/row_groups.py $(BENCH)
	@$(BENCHMARKS)/report.py full features row_groups

bench-train: check-machine $(INSTALLED) ## time training from memory, from Petastorm and from pyarrow; needs bench-features
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/train.py $(BENCH)
	@$(BENCHMARKS)/report.py full train

bench-score: check-machine $(INSTALLED) ## time scoring, compared with plain torch; needs bench-features
	@$(BENCHMARKS)/score.py $(BENCH)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/udf_kinds.py $(BENCH)
	@$(BENCHMARKS)/report.py full score udf_kinds

bench-pipeline: check-machine $(INSTALLED) ## time the whole pipeline at 10 million users, stage by stage; 75 minutes
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/pipeline.py $(BENCH)
	@$(BENCHMARKS)/report.py full pipeline

package: $(INSTALLED) ## build the wheel into dist/, and the same as a zip for --py-files
	@# The build has a new folder, so that files of another build cannot get into the wheel.
	@made="$$(mktemp -d)"; trap 'rm -rf "$$made"' EXIT; \
	$(PY) setup.py --quiet build --build-base "$$made/build" bdist_wheel --bdist-dir "$$made/wheel" --dist-dir '$(DIST)' 2>>$(LOG)
	@# Spark adds a .zip to the path of its executors, but not a .whl.
	@for wheel in '$(DIST)'/*.whl; do cp "$$wheel" "$${wheel%.whl}.zip"; done; ls '$(DIST)'/*.whl '$(DIST)'/*.zip

audit: $(INSTALLED) ## look for known vulnerabilities of the pinned packages; needs the network
	@$(VENV)/bin/pip-audit --requirement requirements.lock --requirement requirements-build.lock --require-hashes --disable-pip --strict --progress-spinner off \
	  || { echo "error: pip-audit found a vulnerability, or it cannot reach an advisory database: its lines say which" >&2; exit 2; }

lock: check-machine ## pin the packages of requirements*.in again
	@# uv has a small environment of its own: a lock that cannot be installed can be made again.
	@'$(PYTHON)' -m venv build/lock && build/lock/bin/pip --disable-pip-version-check --quiet install uv
	@# --no-strip-extras: without it, pip rejects the pins once a newer coverage is out: pytest-cov asks for coverage[toml].
	@for name in $(basename $(filter-out requirements-every-stack.in requirements-overrides.in,$(wildcard requirements*.in))); do \
	  build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --overrides requirements-overrides.in \
	    --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	    $$name.in -o $$name.lock; done

check-machine:
	@fail() { echo "error: $$1" >&2; exit 2; }; \
	python="$(PYTHON)"; \
	[ -n "$$python" ] || fail "no Python 3.11, 3.12 or 3.13 with its venv module runs here: install one (Debian: python3.11 and python3.11-venv), or name one with make PYTHON=/path/to/python3.12"; \
	command -v "$$python" >/dev/null \
	  || fail "no $$python on PATH: install Python 3.12, or name one with make PYTHON=/path/to/python3.12"; \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	  || fail "$$python is $$("$$python" -V 2>&1 | head -n 1), the pinned packages need Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12"; \
	"$$python" -c 'import venv, ensurepip' 2>/dev/null \
	  || fail "$$python cannot make virtual environments: install its venv module (Debian: python3.12-venv)"; \
	java="$${JAVA_HOME:+$$JAVA_HOME/bin/}java"; \
	version="$$("$$java" -version 2>&1)" \
	  || fail "no Java at $$java: install Java 17, or set JAVA_HOME to it"; \
	major="$$(sed -nE 's/.*version "([0-9]+).*/\1/p' <<<"$$version" | head -n 1)"; \
	case "$$major" in 17|21) ;; *) fail "$$java is Java $${major:-unknown}, Spark 4 needs 17 or 21: set JAVA_HOME to one";; esac; \
	if [ -r /proc/meminfo ]; then \
	  free="$$(awk '/MemAvailable/ {print int($$2 / 1024)}' /proc/meminfo)"; \
	  [ "$$free" -ge $(MIN_FREE_MB) ] \
	    || fail "$$free MB of memory are free, $(MIN_FREE_MB) MB are needed: close something, or make MIN_FREE_MB=$$free to try"; \
	fi

# MB: 4 GiB for the driver's heap (conf/local.yaml), the rest for Python workers and training.
MIN_FREE_MB ?= 7000

# --no-compile: Python compiles the few modules that are imported, not all 16,000.
# A lock holds every package, so no installer resolves again. uv reads its own variables, not pip's settings:
# where it does not reach the package index, pip installs the same pins.
$(INSTALLED): | check-machine
	@echo "installing the pinned packages into $(VENV) for $$('$(PYTHON)' -V), $(PYTHON): 7 GB, minutes, once (lines: $(LOG))"
	@fail() { echo "error: $$1 ($(LOG) has the lines)" >&2; exit 2; }; \
	rm -rf $(VENV); : >$(LOG); \
	'$(PYTHON)' -m venv $(VENV) >>$(LOG) 2>&1 || fail "the virtual environment could not be made"; \
	pip="$(VENV)/bin/pip --disable-pip-version-check"; \
	$$pip install --require-hashes -r requirements-build.lock >>$(LOG) 2>&1 \
	  && { $(VENV)/bin/uv pip install --python $(PY) --no-build-isolation --no-deps --require-hashes \
	         -r $(LOCK) >>$(LOG) 2>&1 \
	       || $$pip install --no-compile --no-build-isolation --no-deps --require-hashes \
	            -r $(LOCK) >>$(LOG) 2>&1; } \
	  || { grep '^ERROR' $(LOG) | tail -n 3 >&2 || true; \
	       fail "packages could not be installed: the first run needs the package index and 14 GB of free disk"; }; \
	$$pip install --no-build-isolation --no-deps --editable . >>$(LOG) 2>&1 || fail "the project could not be installed"; \
	echo "resolving Delta Lake's JARs from Maven Central, once"; \
	$(PY) -m ptofa_spark.running.session >>$(LOG) 2>&1 || { tail -n 1 $(LOG) >&2; exit 2; }
	@touch $@

$(ARCHIVE): $(INSTALLED)
	@echo "archiving Spark's classes, so that each JVM starts sooner: a minute, once"
	@# If it fails, an empty file stands for it, and the next run does not try again.
	@$(PY) -m ptofa_spark.pipeline.class_archive >>$(LOG) 2>&1 \
	  || { echo "no archive was written ($(LOG) says why): each job will take longer" >&2; mkdir -p $(@D); : >$@; }
