# Everything that people and CI run. `make` lists it.

export CARGO_TERM_COLOR ?= auto
SECONDS ?=
SCREENSHOT ?=
TESTS ?=
MINUTES ?= 30
# workspaces beside the main one
OTHERS := simulation fuzz bench bench/lake bench/wire integration-tests/clients/rust

.DEFAULT_GOAL := help
.PHONY: help demo chaos test test-clients test-bi test-unit test-compose test-dialect test-simulation fuzz-smoke fuzz bench bench-lake bench-planning bench-wire lint fmt deny setup-lab setup-clients setup-bi

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: setup-lab ## a whole cluster that keeps writing, and three queries over it (SECONDS=60 ends by itself)
	cargo build --workspace
	@scripts/run lab demo $(if $(SECONDS),--seconds $(SECONDS))

chaos: setup-lab ## servers die and tables change while every answer is judged (MINUTES=10, SEED=n)
	cargo build --workspace
	@scripts/run lab chaos --minutes $(if $(filter command line environment,$(origin MINUTES)),$(MINUTES),10) $(if $(SEED),--seed $(SEED))

test: setup-lab setup-clients ## every test, against a real Fluss cluster (TESTS=name picks some)
	cargo build --workspace
	cargo test --workspace $(TESTS)
	$(if $(TESTS),,$(MAKE) test-simulation test-compose fuzz-smoke)

test-clients: setup-lab ## the matrix of all MySQL clients, those too that are compiled at set-up
	@integration-tests/clients/setup.sh heavy
	cargo build --workspace
	cargo test -p integration-tests --test it -- --include-ignored clients::

test-bi: setup-lab setup-bi ## dbt and Apache Superset at work, with a chart that a browser draws (SCREENSHOT=file keeps it)
	cargo build --workspace
	$(if $(SCREENSHOT),MILLRACE_BI_SCREENSHOT=$(abspath $(SCREENSHOT))) cargo test -p integration-tests --test it -- --include-ignored bi::

test-unit: ## the tests that need no cluster
	cargo test --workspace --exclude integration-tests $(TESTS)

test-compose: setup-lab setup-clients ## docker/compose.yaml as plain processes, with the checker beside them
	cargo build --workspace
	@docker/setup
	@MILLRACE_ROOT_PASSWORD=test-compose docker/as-processes "$${CARGO_TARGET_DIR:-target}/debug/millrace" \
		"$$(integration-tests/lab/fetch.sh)" docker/check "$${CARGO_TARGET_DIR:-target}/debug/checker"

test-dialect: ## 2,000 generated expressions, answered here and by a MariaDB (SEED=n, EXPRESSIONS=n)
	@sql-functions/tests/dialect/run

test-simulation: ## reads in simulated time, one run per seed (SEED=n replays one, SEEDS=n runs so many)
	cargo test --manifest-path simulation/Cargo.toml

fuzz-smoke: ## a few seconds of each fuzz target of the stream half, two million packets of MySQL clients, part of `make test`
	@fuzz/run smoke

fuzz: ## all fuzz targets for a long time (MINUTES=30)
	@fuzz/run long $(MINUTES)

bench: setup-lab ## what reading the stream half costs, next to fluss-rs and to the least possible (ROWS, ROUNDS, CODECS)
	cargo build -p integration-tests --bin lab
	@bench/run

bench-planning: ## what planning a lake table of ten thousand files costs (FILES, ROUNDS)
	@bench/lake/run planning

bench-lake: ## what reading the lake half costs, next to DataFusion on the bare Parquet files (ROWS, ROUNDS, CONTENDERS)
	@bench/lake/run bench-lake

bench-wire: ## what rows cost on their way to a MySQL client, next to a MariaDB (ROWS, ROUNDS)
	@bench/wire/run

lint: ## formatting and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@for other in $(OTHERS); do cargo fmt --manifest-path $$other/Cargo.toml --check || exit 1; done
	cargo clippy --manifest-path simulation/Cargo.toml --all-targets -- -D warnings

fmt: ## format the code
	cargo fmt --all
	@for other in $(OTHERS); do cargo fmt --manifest-path $$other/Cargo.toml; done

deny: ## licences, advisories, sources of the dependencies
	cargo deny check

setup-lab: ## Java, Maven and the jars of the real cluster
	@integration-tests/lab/fetch.sh

setup-clients: ## the MySQL clients that the tests use
	@integration-tests/clients/setup.sh

setup-bi: ## dbt, Apache Superset and Chromium
	@integration-tests/bi/setup.sh
