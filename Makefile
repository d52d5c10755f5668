# The project's commands. "make" alone lists them.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help

GO     ?= go
GO_MIN := 1.26

# In CI nothing comes from the test cache.
TEST_FLAGS ?= -timeout 10m $(if $(CI),-count=1)
RACE_FLAGS ?= -timeout 15m $(if $(CI),-count=1)

# Where goroutines of ours meet: the real runtime, the real transport, live runs, the
# sweep's workers. Elsewhere one task runs at a time.
CONCURRENT := /(rt|transport|sim/host|sim/live|node/rpc|internal/process|cmd/maculanode/internal/loadtest)(/|$$)
# These have no concurrency, and what they load is slow under the detector.
SEQUENTIAL := /(simvet|internal/repo)(/|$$)

# Which benchmarks, as a regular expression, and for how long each.
BENCH     ?= .
BENCHTIME ?= 1s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: check
check: have-go ## format, go vet, simvet, layers and sizes, go.mod; print the exceptions
	@echo "== gofmt"
	@bad=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
	if [ -n "$$bad" ]; then echo "not formatted, run gofmt -w on:" >&2; echo "$$bad" >&2; exit 1; fi
	@echo "== go vet"
	@$(GO) vet ./...
	@echo "== simvet"
	@$(GO) build -trimpath -o bin/simvet ./cmd/simvet
	@$(GO) vet -vettool="$(CURDIR)/bin/simvet" ./...
	@echo "== layers, sizes, words, files, comments, documents"
	@$(GO) test $(TEST_FLAGS) ./internal/repo
	@echo "== go mod tidy"
	@$(GO) mod tidy -diff
	@echo "== exceptions"
	@bin/simvet -list-allows ./...

.PHONY: build
build: have-go ## bin/maculanode and bin/simrun, static
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/maculanode ./cmd/simrun

.PHONY: test
test: have-go ## all tests
	$(GO) test $(TEST_FLAGS) ./...

.PHONY: race
race: have-go race-core ## all tests under the race detector, the single-threaded ones with -short
	$(GO) test -race -short $(RACE_FLAGS) $$($(GO) list ./... | grep -vE '$(CONCURRENT)|$(SEQUENTIAL)')

.PHONY: race-core
race-core: have-go ## the packages with real concurrency under the race detector
	$(GO) test -race $(RACE_FLAGS) $$($(GO) list ./... | grep -E '$(CONCURRENT)')

.PHONY: bench
bench: have-go ## benchmarks; BENCH=regexp BENCHTIME=5s choose
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -timeout 60m ./... \
		| awk '!/^(PASS|ok|[?])/ { print; n++ } END { if (!n) print "no benchmark matches $(BENCH)" }'

.PHONY: demo
demo: have-go ## see it work in a minute
	@$(GO) run ./internal/demo

.PHONY: mutants
mutants: have-go ## every planted bug must be found; RUN=regexp chooses, RECORD=1 keeps what was found
	@$(GO) run ./internal/mutants $(if $(RUN),-run '$(RUN)') $(if $(RECORD),-record)

.PHONY: fuzz
fuzz: FOR ?= 10m
fuzz: have-go ## every fuzz target, FOR=10m together; what is found is kept in testdata/fuzz
	@GO="$(GO)" $(GO) run ./internal/fuzz -for $(FOR)

.PHONY: load
load: build ## the five limits over real QUIC on loopback
	@bin/maculanode loadtest

.PHONY: soak
soak: FOR ?= 30m
soak: have-go ## four nodes at their caps under churn, FOR=30m; a report with charts in out/soak
	@$(GO) run ./internal/soak -for $(FOR)

.PHONY: soak-test
soak-test: have-go ## a planted leak of 1 KiB/s must turn the soak red: two runs, sixteen minutes
	$(GO) test -tags soak -count=1 -timeout 40m -v ./internal/soak

.PHONY: memory
memory: have-go ## fill a node over real QUIC and compare it with the formula of docs/MEMORY.md
	@$(GO) run ./internal/memory

# What needs more than Go: a browser. On Debian it installs what is missing.
SHOTS ?= $(CURDIR)/out/shots
.PHONY: test-ops
test-ops: have-go ## tests that need a browser; screenshots in out/shots, or SHOTS=DIR
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
		else \
			echo "test-ops needs Chromium: install the package chromium" >&2; exit 1; \
		fi; }
	@mkdir -p "$(SHOTS)"
	cd internal/viewtest && VIEW_SHOTS="$(SHOTS)" $(GO) test -tags ops -count=1 -timeout 10m .

.PHONY: clean
clean: ## remove what the other targets built
	rm -rf bin out

# Go 1.21 and newer fetch the version that go.mod asks for, unless that is
# turned off; what they then answer is what counts.
.PHONY: have-go
have-go:
	@if ! command -v $(GO) >/dev/null; then \
		echo "macula needs Go $(GO_MIN) or newer, and there is no '$(GO)' on the PATH: see https://go.dev/dl/" >&2; exit 1; \
	fi
	@have=$$($(GO) env GOVERSION 2>/dev/null | sed -E 's/^(devel )?go//; s/[ -].*//') || true; \
	if [ -z "$$have" ] || ! printf '%s\n' $(GO_MIN) "$$have" | sort -V -C; then \
		echo "macula needs Go $(GO_MIN) or newer, and '$(GO)' is $${have:-too old to fetch it}: see https://go.dev/dl/" >&2; exit 1; \
	fi
