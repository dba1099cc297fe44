# run: the whole service with demo data, in the foreground. test: every check and test. bench: the benchmarks.
# Each sets up what it needs on a fresh Debian; a second start skips what is there.
.PHONY: run test bench lint unit translations lock help
.DEFAULT_GOAL := help
BIN := .venv/bin
CODE := app metering topups invoicing tests wsgi.py
CATALOGUES := $(wildcard locales/*/LC_MESSAGES/messages.po)
export PYTHONDONTWRITEBYTECODE :=

help:
	@echo 'make run    the whole service with demo data; PORT (8000) and TEGOED_HOME (var) move it'
	@echo 'make test   lint, types, import contracts, translations, the whole suite'
	@echo 'make bench  the benchmarks beside their yardsticks'

run:
	@setup/prepare run
	@$(MAKE) --no-print-directory catalogues
	@exec setpriv --pdeathsig TERM $(BIN)/python -m app.supervisor

test:
	@setup/prepare test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit

bench:
	@setup/prepare bench
	@$(MAKE) --no-print-directory catalogues
	@exec $(BIN)/python -m tests.bench

lint: catalogues
	$(BIN)/python setup/check_locks.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/python -m app.translations check

unit: catalogues
	$(BIN)/python -m pytest -n 3 --dist worksteal --durations=15 --durations-min=5

.PHONY: catalogues
catalogues: $(CATALOGUES:.po=.mo)
	@:

%.mo: %.po
	@$(BIN)/python -m app.translations compile

# After a change to the texts: collect them into the catalogues, then translate what is new.
translations:
	$(BIN)/python -m app.translations update

# After a change to the dependencies in pyproject.toml. UPGRADE=1 takes the newest versions.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)
lock:
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) setup/uv.in -o setup/uv.lock
	$(BIN)/python setup/check_locks.py
