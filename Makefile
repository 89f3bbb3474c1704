# Everything that people and CI run. `make` lists it.

export CARGO_TERM_COLOR ?= auto
SECONDS ?=
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-simulation lint fmt deny setup-lab setup-clients

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: setup-lab ## a whole cluster that keeps writing, and three queries over it (SECONDS=60 ends by itself)
	cargo build --workspace
	@scripts/run lab demo $(if $(SECONDS),--seconds $(SECONDS))

test: setup-lab setup-clients test-simulation ## every test, against a real Fluss cluster (TESTS=name picks some)
	cargo build --workspace
	cargo test --workspace $(TESTS)

test-unit: ## the tests that need no cluster
	cargo test --workspace --exclude integration-tests $(TESTS)

test-simulation: ## reads in simulated time, one run per seed (SEED=n replays one, SEEDS=n runs so many)
	cargo test --manifest-path simulation/Cargo.toml

lint: ## formatting and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo fmt --manifest-path simulation/Cargo.toml --check
	cargo clippy --manifest-path simulation/Cargo.toml --all-targets -- -D warnings

fmt: ## format the code
	cargo fmt --all
	cargo fmt --manifest-path simulation/Cargo.toml

deny: ## licences, advisories, sources of the dependencies
	cargo deny check

setup-lab: ## Java, Maven and the jars of the real cluster
	@integration-tests/lab/fetch.sh

setup-clients: ## the MySQL clients that the tests use
	@integration-tests/clients/setup.sh
