# Each target works as the first command on a fresh clone: it needs Python 3.11 or newer, make and a package registry.
# A second call is quick: .venv/.minimal and .venv/.dev say what is installed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off
# Packages one by one as pip comes to them; all that it said where it fails.
SHOWN = { { $(1) || touch $(VENV)/.failed; } 2>&1 | tee $(VENV)/pip.log \
	| awk '/^Collecting/ {print "  " $$2; fflush()} /^Processing/ {sub(/.*\//, "", $$2); print "  " $$2; fflush()} \
	/^Installing collected/ {print "  ... into $(VENV)"; fflush()}'; \
	! [ -e $(VENV)/.failed ] || { rm $(VENV)/.failed; cat $(VENV)/pip.log; exit 1; }; }
# What needs a program or a cluster that is not on every machine; .ci/run has a step for each.
ELSEWHERE := not cluster and not helm and not browser and not prometheus and not redis and not node

.PHONY: fuzz help demo test check sdk-newest fix compile image kind bench simulate docs lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(VENV)/.minimal  ## the proxy with simulated providers, until Ctrl-C
	@$(BIN)/pilotfish demo $(ARGS)

test: $(VENV)/.dev  ## all tests that need nothing but Python
	$(BIN)/python -m pytest -n 2 -m "$(ELSEWHERE)" $(ARGS)

check:  ## everything that CI does
	bash .ci/run

sdk-newest:  ## the tests of client libraries with the newest openai, anthropic, google-genai, boto3 and AI SDK; LangChain, LlamaIndex, LiteLLM by their environment
	PYTHON=$(PYTHON) bash .ci/sdk-newest $(ARGS)

fuzz: $(VENV)/.dev  ## the fuzzers for two hours (SECONDS=...), from the corpus of tests/fuzz, which what they find is added to
	bash .ci/fuzz --keep --seconds $(or $(SECONDS),7200) $(ARGS)

fix: $(VENV)/.dev  ## format, and lint what can be put right
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

compile: $(VENV)/.dev  ## the hot path compiled beside its sources, as in the image; edits count again after `make clean`
	PILOTFISH_COMPILE=1 $(BIN)/python setup.py --quiet build_ext --inplace

image:  ## the image, by docker, podman or buildah, whichever is there; IMAGE=name:tag, PUSH=1
	@IMAGE=$(IMAGE) PUSH=$(PUSH) deploy/image.sh

kind:  ## a kind cluster with the image and the chart in it
	@deploy/kind.sh

bench: $(VENV)/.minimal  ## added latency, requests and chunks per second, CPU and memory against direct and nginx
	$(BIN)/python bench/run.py $(ARGS)

simulate: $(VENV)/.minimal  ## tactics against each other in virtual time
	$(BIN)/python -m bench.simulate $(ARGS)

docs: $(VENV)/.dev  ## the generated pages of docs/ anew
	$(BIN)/python docs/generate.py $(ARGS)

# Universal locks: hashes of all platforms' files, and markers for what only some Python versions need. UPGRADE=--upgrade for newer ones.
LOCK = $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-package pilotfish $(UPGRADE)
lock: $(VENV)-lock/.uv  ## the lock files of requirements/ anew, from pyproject.toml
	$(LOCK) pyproject.toml requirements/build.in --extra all --extra dev -o requirements/dev.lock
	$(LOCK) pyproject.toml --extra all -c requirements/dev.lock -o requirements/runtime.lock
	$(LOCK) pyproject.toml requirements/build.in -c requirements/dev.lock -o requirements/minimal.lock
	$(LOCK) requirements/compile.in -c requirements/dev.lock -o requirements/compile.lock
	$(LOCK) requirements/fuzz.in -o requirements/fuzz.lock
	$(LOCK) requirements/grafana.in -c requirements/dev.lock -o requirements/grafana.lock

clean:  ## removes environments and caches
	find src -name '*.so' -delete
	rm -rf .venv .venv-lock .venv-fuzz .venv-newest tests/sdk/node/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

# The package itself last, without its dependencies: they are those of the lock file and no others.
$(VENV)/.minimal: requirements/minimal.lock pyproject.toml | $(VENV)/bin/python
	@if ! [ -e $(VENV)/.dev ]; then echo "installing what the proxy needs into $(VENV)" && $(call SHOWN,$(PIP) --require-hashes -r $<); fi
	@$(call SHOWN,$(PIP) --no-build-isolation --no-deps -e .)
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what the proxy and its tests need into $(VENV); this takes a minute" && $(call SHOWN,$(PIP) --require-hashes -r $<)
	@$(call SHOWN,$(PIP) --no-build-isolation --no-deps -e .)
	@touch $@

$(VENV)-lock/.uv:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@
