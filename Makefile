# `make run` and `make test` work in a fresh clone with nothing but Python 3.11+, make and git.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= data
PORT ?= 8000
BENCH ?= all
WORKERS ?= 2

.PHONY: install run test machine check bench peers kill docs lock clean

install: $(BIN)/.installed

# Hashes are checked; the project's own distributions are installed in place.
$(BIN)/.installed: requirements/lock.txt sdk/pyproject.toml core/pyproject.toml $(wildcard plugins/*/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e sdk -e core $(addprefix -e ,$(patsubst %/,%,$(dir $(wildcard plugins/*/pyproject.toml))))
	touch $@

run: install
	$(BIN)/assigntask run --data $(DATA) --port $(PORT)

test: install machine tests/npm/node_modules/.installed
	$(BIN)/python -m pytest -n $(WORKERS)

# The pages' tests drive Chromium (set CHROMIUM to use another than the one on the PATH); the OAuth client that nobody
# here wrote needs Node; the trace of the flush needs strace, and is skipped where there is none.
machine:
	@missing=; \
	test -n "$$CHROMIUM" || command -v chromium >/dev/null || missing="chromium"; \
	command -v strace >/dev/null || missing="$$missing strace"; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi; \
	test -n "$$CHROMIUM" || command -v chromium >/dev/null || \
	  { echo "Chromium is missing: install it, or set CHROMIUM to its path." >&2; exit 1; }; \
	command -v npm >/dev/null || { echo "Node.js 20 or newer with npm is missing: install it." >&2; exit 1; }

# Packages of the tests and of the bench's peers, at the locked versions.
%/node_modules/.installed: %/package-lock.json | machine
	cd $* && npm ci --silent --no-audit --no-fund --ignore-scripts
	touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=sdk/src:core/src:plugins/reporting/src $(BIN)/lint-imports
	$(BIN)/assigntask-sdk check plugins/reporting

# The API is measured beside others' servers, which have packages of their own, and under wrk.
bench: install $(if $(filter api all,$(BENCH)),peers)
	@$(BIN)/python -m bench $(BENCH)

peers: bench/peers/oidc_provider/node_modules/.installed bench/peers/dot/.venv/.installed
	@command -v wrk >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk >/dev/null; } || \
	  { echo "wrk is missing: install it." >&2; exit 1; }

bench/peers/dot/.venv/.installed: bench/peers/dot/requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --require-hashes -r $<
	touch $@

kill: install
	ASSIGNTASK_KILLS=200 $(BIN)/python -m pytest -m kill -n $(WORKERS)

# The pages that are written from the code.
docs: install
	$(BIN)/assigntask-sdk schema > docs/app-manifest.schema.json
	$(BIN)/assigntask-sdk scopes --markdown > docs/scopes.md
	$(BIN)/python docs/write_errors.py

# After a change of a pyproject.toml: the versions that everybody gets.
lock: install
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-package assigntask --no-emit-package assigntask-sdk \
	  --extra test --extra remote -o requirements/lock.txt \
	  sdk/pyproject.toml core/pyproject.toml $(wildcard plugins/*/pyproject.toml) requirements/development.in

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
