# `make demo` shows what it is, `make test` proves it. `make help` lists the rest.
#
# `demo`, `test`, `test-all`, `soak` and `bench` first bring what is missing (tools/setup: once
# minutes, then a second). `run` needs Rust alone; `guests` and `quick` need a WebAssembly target of
# Rust besides, and plugins/build says how to get one.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup guests demo run quick test test-all soak bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## installs what building and testing need; never removes anything
	@tools/setup

guests: ## the WebAssembly plugins of plugins/, compiled to components
	cargo build --bin logmill
	plugins/build

demo: setup guests ## the whole story: real clients, three plugins, one broker (warm: < 2 minutes)
	demo/run

run: ## a broker with its defaults (builds with optimisation, once minutes): Kafka 9092, admin 9644
	cargo run --release --bin logmill -- serve

quick: guests ## before each commit (< 3 minutes): format, lints, unit tests, the shape of the code
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	SIM_SEEDS=50 LOGMILL_TIER=quick cargo test --lib --bins
	LOGMILL_TIER=quick cargo test --test it -- layering tidy

test: setup guests ## what CI runs (warm: <= 15 minutes): all of quick, real clients, crashes
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	SIM_SEEDS=500 LOGMILL_TIER=test cargo test --no-fail-fast

test-all: setup guests ## before an issue closes (<= 60 minutes): more of everything, Kafka itself too
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	tools/wiregen.py --check
	tools/goldens.py --check
	LOGMILL_PEER=kafka ROUNDS=3 cargo test --test it -- \
		answers:: clients:: groups:: operators:: hostile:: crash::
	SIM_SEEDS=2000 LOGMILL_TIER=all cargo test --no-fail-fast

soak: setup guests ## hours of seeds and crashes; SIM_SEEDS says how many (10,000)
	SIM_SEEDS=$${SIM_SEEDS:-10000} LOGMILL_TIER=all cargo test --release --no-fail-fast

bench: setup guests ## figures beside Apache Kafka, on this machine
	benches/run
