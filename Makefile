# make demo   set up, then train a U-Net on the embedded street scenes
# make test   set up, then run the tests
# make lint   set up, then check the style
# PYTHON=python3.12 picks the interpreter (3.11 or newer); VENV=DIR the environment.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKDIR ?= runs/demo

.PHONY: demo test test-slow lint clean

demo: $(VENV)/.runs
	$(BIN)/python launch.py --config=configs/streets_unet.py --workdir=$(WORKDIR)

test: $(VENV)/.tests
	$(BIN)/python -m pytest -n 2

test-slow: $(VENV)/.tests
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(VENV)/.runs: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	  f"python {v[0]}.{v[1]} is too old; segjax needs 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt -c constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.tests: $(VENV)/.runs requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache
