# The commands of this project. `make demo` and `make test` need a Rust toolchain; they install the rest by name.

# Debian packages by name; who is not root is asked by sudo.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
INSTALL := $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq

.PHONY: help demo test long check fmt schema web compiler database browser node modules guides

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: compiler ## Start a server, run an agent on real documents, watch it live (DEMO_ONCE=1 leaves when the story is told)
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory web || echo "GraphiQL could not be built; all else is as it is."
	cargo run --locked --quiet -- demo --log warn

test: compiler database browser modules guides web ## Everything that can be tested, with the packages that it needs
	cargo test --locked

long: compiler database ## The faults that take minutes: a full disk, two hundred clients for five minutes, a death at every step, two hundred kills
	WORKROOM_LONG=1 cargo test --locked --test suite -- faults:: deletion::steps:: crash:: --test-threads 1

check: compiler modules web ## Formatting, lints, documentation, licences, the schema and what breaks its clients, the import table
	npm run --silent --prefix web check
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	cargo test --locked --test suite -- architecture:: licences:: schema:: lint:: relay::

fmt: ## Format the code
	cargo fmt

schema: ## Write schema.graphql from the code
	cargo run --locked --quiet -- schema > schema.graphql

web: node web/dist/page/index.html ## Build the page at /graphiql, which the next build of the server takes in

# SQLite is compiled from C.
compiler:
	@command -v cc >/dev/null || { $(INSTALL) build-essential; }

# The store's suite runs on both engines. Another server can be given by TEST_POSTGRES_URL; SKIP_POSTGRES=1 leaves it out.
database:
	@[ -n "$$TEST_POSTGRES_URL" ] || [ "$$SKIP_POSTGRES" = 1 ] || command -v postgres >/dev/null \
		|| ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { $(INSTALL) postgresql; }

# GraphiQL's stories are told in a browser. Another one can be given by CHROMIUM.
browser:
	@[ -n "$$CHROMIUM" ] || command -v chromium chromium-browser google-chrome >/dev/null || { $(INSTALL) chromium; }

node:
	@command -v npm >/dev/null || { $(INSTALL) nodejs npm; }

# The audits' runners, the Relay compiler, the schema's lints, and what drives a browser.
modules: node $(patsubst %,tests/%/node_modules/.package-lock.json,audit relay lint graphiql)

# What the guides' programs run on: the packages that they name, curl and jq.
guides: modules tests/guides/node_modules/.package-lock.json tests/guides/.venv/.requirements.txt
	@command -v curl >/dev/null && command -v jq >/dev/null || { $(INSTALL) curl jq; }

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	@touch $@

web/dist/page/index.html: web/node_modules/.package-lock.json web/index.html web/vite.config.ts $(wildcard web/src/*)
	npm run --silent --prefix web build

tests/guides/.venv/.requirements.txt: tests/guides/requirements.txt
	python3 -c 'import ensurepip' || { $(INSTALL) python3-venv; }
	python3 -m venv tests/guides/.venv
	tests/guides/.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@
