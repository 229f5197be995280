# The verbs of this project: `make help` lists them. What takes more than three lines is a script in scripts/.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help packages test-packages build bench run test check acceptance microbench crash fuzz sanitize simulate clean

RELEASE := -c release --static-swift-stdlib
ROUTER := $(CURDIR)/.build/release/router
PYTEST := ROUTER=$(ROUTER) .build/venv/bin/python -m pytest
ROUNDS ?= 50
SECONDS_EACH ?= 60
ARGS ?=

help: ## lists the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## installs what is missing, builds, and starts a development router (data in ./data)
	@scripts/say "Starting the router: the web chat is at http://127.0.0.1:8080/ (sign in by any name)."
	@scripts/say "WebSocket and HTTP API at 127.0.0.1:8080, binary protocol at 127.0.0.1:8081,"
	@scripts/say "data in $(CURDIR)/data; --dev believes every user id, so it listens on loopback only. Ctrl-C stops it."
	@exec $(ROUTER) --dev --data $(CURDIR)/data $(ARGS)

build: packages ## installs what is missing and builds the router (release)
	@scripts/say "Building the router; the first time takes some minutes"
	@swift build $(RELEASE) --product router

bench: packages ## builds the load generator (release, beside the router): .build/release/bench --help
	@scripts/say "Building the load generator"
	@swift build $(RELEASE) --product bench
	@swift build $(RELEASE) --product faultshim

test: test-packages check build microbench acceptance ## installs what is missing; unit tests, instruction counts, then the acceptance suite

check: packages ## the Swift tests alone
	@scripts/say "Building and running the Swift tests (debug)"
	@swift test --parallel

acceptance: test-packages ## the acceptance suite and the tests of tuning/ alone, against the release build (ARGS="-k timeline")
	@test -x $(ROUTER) || { echo "no $(ROUTER): make build" >&2; exit 1; }
	@scripts/say "Running the acceptance suite against $(ROUTER)"
	@$(PYTEST) Tests/acceptance Tests/tuning $(ARGS)

microbench: test-packages ## counts instructions and allocations of pieces of the router, against limits (ARGS=--write sets them)
	@scripts/say "Building the micro-benchmarks"
	@swift build $(RELEASE) --product microbench
	@scripts/say "Counting instructions and allocations"
	@scripts/microbench $(ARGS)

crash: test-packages build ## kills the router ROUNDS=50 times under load and checks every promise
	@CRASH_ROUNDS=$(ROUNDS) $(PYTEST) Tests/acceptance/test_crash.py $(ARGS)

fuzz: packages ## runs each fuzz target for SECONDS_EACH=60
	@scripts/fuzz $(SECONDS_EACH)

sanitize: packages ## the Swift tests under the address and the thread sanitizer
# The search for leaks stays out: it can't see the pointers that Swift's enums keep with bits of their own.
	@scripts/say "Address sanitizer"; ASAN_OPTIONS=detect_leaks=0 swift test --disable-xctest --sanitize=address --scratch-path .build/address $(ARGS)
	@scripts/say "Thread sanitizer"; TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/thread-sanitizer.supp swift test --disable-xctest --sanitize=thread --scratch-path .build/thread $(ARGS)

simulate: packages ## runs the simulator (ARGS="--help" shows its options)
	@scripts/say "Building the simulator"
	@swift build -c release --product simulator
	@.build/release/simulator run $(ARGS)

clean: ## removes everything that was built; keeps ./data
	@rm -rf .build

packages:
	@scripts/packages build

test-packages:
	@scripts/packages test
	@scripts/python-environment
