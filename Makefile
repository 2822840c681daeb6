# `make` alone prints this help, built from the notes beside the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
CONFIG ?= conf/local.yaml
DATASET ?= synthetic
HILLSTROM_CSV ?= ../shared/data/hillstrom.csv
# Test processes, each with a Spark session of its own (about 5 GiB).
WORKERS ?= 2
DIST ?= dist
LOG := .install.log
# Spark's classes as the tests' JVMs map them into memory, instead of reading and verifying them anew a hundred times.
ARCHIVE := build/spark-classes.jsa
LOCKS := requirements-build.lock requirements.lock
# Named after the locks' content: the same locks install nothing again, other locks install anew.
INSTALLED := $(VENV)/.installed-$(shell cat $(LOCKS) setup.py | cksum | cut -d' ' -f1)

.PHONY: help demo test test-long same coverage bench bench-full bench-allocate bench-features bench-train bench-score bench-pipeline \
  lint format docs package install audit lock clean check-machine

help: ## print this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

demo: check-machine $(INSTALLED) ## run the whole pipeline (DATASET=synthetic|hillstrom|completejourney, HILLSTROM_CSV=path)
	@$(PY) jobs/run_pipeline.py --config $(CONFIG) --dataset $(DATASET) \
	  --warehouse warehouse/$(DATASET) --report reports/$(DATASET) \
	  $(if $(filter hillstrom,$(DATASET)),--source '$(HILLSTROM_CSV)')

test: check-machine $(INSTALLED) $(ARCHIVE) ## run all tests (TESTS=path for some; WORKERS=1 for one after another)
	@HILLSTROM_CSV='$(HILLSTROM_CSV)' $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=10 $(TESTS)

test-long: check-machine $(INSTALLED) $(ARCHIVE) ## run the tests that take long: many faults, much mutated input, a cluster; some hours
	@$(PY) -m pytest -n $(WORKERS) -m long $(TESTS)

same: $(INSTALLED) ## prove that a refactoring changes no result: make same BASE=<commit>; 25 minutes
	@PYTHONPATH=. $(PY) -m tests.same.same '$(BASE)' $(if $(ONLY),--only='$(ONLY)')

coverage: check-machine $(INSTALLED) $(ARCHIVE) ## run all tests and print the lines of ptofa_spark that none ran, Spark's workers included
	@mkdir -p build
	@HILLSTROM_CSV='$(HILLSTROM_CSV)' $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  --cov=ptofa_spark --cov-report=term-missing:skip-covered $(TESTS)

BENCHMARKS := PYTHONPATH=. $(PY) benchmarks
# The small size is measured whole, from nothing; what the full size has made and measured stays.
SMALL := warehouse/bench-small
SMALL_USERS := 100000

bench: check-machine $(INSTALLED) ## run every benchmark at a small size into docs/measured/benchmarks.md; a quarter of an hour
	@rm -rf $(SMALL)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/allocate.py --bench $(SMALL) --many-funds 0 \
	  --small 5000 --large '' --shapes tight --ip-seconds 10
	@$(BENCHMARKS)/features.py --bench $(SMALL) --users $(SMALL_USERS)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/row_groups.py --bench $(SMALL) --users $(SMALL_USERS) --sizes 0,4
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/train.py --bench $(SMALL) --users $(SMALL_USERS) \
	  --exposures 250000 --memory-rows 250000
	@$(BENCHMARKS)/score.py --bench $(SMALL) --users $(SMALL_USERS)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/pipeline.py --bench $(SMALL) --users 20000 --one-process
	@$(BENCHMARKS)/report.py small

# One after the other, whatever -j says: they would measure each other.
bench-full: ## run every benchmark at 10 million users into docs/measured/benchmarks.md; hours
	@for part in allocate features train score pipeline; do $(MAKE) --no-print-directory bench-$$part; done

bench-allocate: check-machine $(INSTALLED) ## time every allocation method, 5 thousand to 10 million users; an hour or two
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/allocate.py $(BENCH)
	@$(BENCHMARKS)/report.py full

bench-features: check-machine $(INSTALLED) ## time build_features at 1 and 10 million users, and the reader's row groups
	@$(BENCHMARKS)/features.py $(BENCH)
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/row_groups.py $(BENCH)
	@$(BENCHMARKS)/report.py full

bench-train: check-machine $(INSTALLED) ## time training from memory and from Petastorm, on what bench-features built
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/train.py $(BENCH)
	@$(BENCHMARKS)/report.py full

bench-score: check-machine $(INSTALLED) ## time scoring against plain torch, on what bench-features built
	@$(BENCHMARKS)/score.py $(BENCH)
	@$(BENCHMARKS)/report.py full

bench-pipeline: check-machine $(INSTALLED) ## run the whole pipeline at 10 million users, stage by stage; an hour
	@OMP_NUM_THREADS=1 $(BENCHMARKS)/pipeline.py $(BENCH)
	@$(BENCHMARKS)/report.py full

lint: $(INSTALLED) ## check style, types and the direction of imports
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

format: $(INSTALLED) ## format the code
	@$(VENV)/bin/ruff check --fix --quiet .
	@$(VENV)/bin/ruff format --quiet .

docs: $(INSTALLED) ## build the API reference from the docstrings into dist/docs; a warning stops it
	@rm -rf '$(DIST)/docs'
	@# pdoc imports every module, and some of the packages that these import ask the machine for its processor.
	@PDOC_ALLOW_EXEC=1 $(PY) -W error::UserWarning -m pdoc --docformat google --output-directory '$(DIST)/docs' ptofa_spark
	@echo "$(DIST)/docs/index.html"

package: $(INSTALLED) ## build the wheel, and the same as a zip for --py-files, into dist/
	@# A folder of its own: what an earlier or a simultaneous build left must not get into the wheel.
	@made="$$(mktemp -d)"; trap 'rm -rf "$$made"' EXIT; \
	$(PY) setup.py --quiet build --build-base "$$made/build" bdist_wheel --bdist-dir "$$made/wheel" --dist-dir '$(DIST)' 2>>$(LOG)
	@# Spark puts a .zip on its executors' path, a .whl it does not.
	@for wheel in '$(DIST)'/*.whl; do cp "$$wheel" "$${wheel%.whl}.zip"; done; ls '$(DIST)'/*.whl '$(DIST)'/*.zip

install: check-machine $(INSTALLED) ## set up .venv and Delta's JARs (demo and test do it by themselves)

audit: $(INSTALLED) ## look the pinned packages up in pip-audit's advisory database (needs the network)
	@$(VENV)/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip --strict --progress-spinner off \
	  || { echo "error: pip-audit found a hole, or no advisory database knows the packages from here: its lines say which" >&2; exit 2; }

lock: ## pin requirements*.in anew (needs uv)
	@# --no-strip-extras: pip refuses pytest-cov's coverage[toml] by a pin of coverage alone as soon as a newer one is out.
	@for name in requirements-build requirements; do \
	  uv pip compile --quiet --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
	    --no-emit-find-links --no-annotate --no-header $$name.in -o $$name.lock; done

clean: ## remove what the jobs and tests wrote; keeps .venv
	@rm -rf warehouse reports build dist *.egg-info spark-warehouse derby.log metastore_db \
	  .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

check-machine:
	@fail() { echo "error: $$1" >&2; exit 2; }; \
	command -v $(PYTHON) >/dev/null \
	  || fail "no $(PYTHON) on PATH: install Python 3.11, or name one with make PYTHON=/path/to/python3.11"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || fail "$(PYTHON) is $$($(PYTHON) -V 2>&1), the pinned packages need Python 3.11: make PYTHON=/path/to/python3.11"; \
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || fail "$(PYTHON) cannot make virtual environments: install its venv module (Debian: python3.11-venv)"; \
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

# 4 GiB of driver heap (conf/local.yaml), and as much again for Python workers and training.
MIN_FREE_MB ?= 7000

# --no-compile: of 16,000 modules Python compiles the few that are imported, when they are.
$(INSTALLED): | check-machine
	@echo "installing the pinned packages into $(VENV): 6 GB, some minutes, once (pip's own lines: $(LOG))"
	@fail() { echo "error: $$1 ($(LOG) has the lines)" >&2; exit 2; }; \
	rm -rf $(VENV); : >$(LOG); \
	$(PYTHON) -m venv $(VENV) >>$(LOG) 2>&1 || fail "the virtual environment could not be made"; \
	pip="$(VENV)/bin/pip --disable-pip-version-check"; \
	$$pip install --require-hashes -r requirements-build.lock >>$(LOG) 2>&1 \
	  && $$pip install --no-compile --no-build-isolation --require-hashes -r requirements.lock >>$(LOG) 2>&1 \
	  || { grep '^ERROR' $(LOG) | tail -n 3 >&2 || true; \
	       fail "packages could not be installed: the first run needs the package index and 12 GB of free disk"; }; \
	$$pip install --no-build-isolation --no-deps --editable . >>$(LOG) 2>&1 || fail "the project could not be installed"; \
	echo "resolving Delta Lake's JARs from Maven Central, once"; \
	$(PY) -m ptofa_spark.running.session >>$(LOG) 2>&1 || { tail -n 1 $(LOG) >&2; exit 2; }
	@touch $@

$(ARCHIVE): $(INSTALLED)
	@echo "archiving Spark's classes for the tests' JVMs: a minute, once"
	@# An empty file in its place: a JVM passes it over, and the next run does not try again.
	@PYTHONPATH=. $(PY) tests/jvm/archive.py 2>>$(LOG) \
	  || { echo "no archive was written ($(LOG) says why): the tests will take longer" >&2; mkdir -p $(@D); : >$@; }
