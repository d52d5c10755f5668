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
CONCURRENT := /(rt|transport|sim/host|sim/live|node/rpc|internal/process|cmd/maculanode/internal/(loadtest|control|daemon|door|admin|api|logs))(/|$$)
# These have no concurrency, and what they load is slow under the detector.
SEQUENTIAL := /(simvet|internal/repo)(/|$$)

# Which benchmarks, as a regular expression, and for how long each.
BENCH     ?= .
BENCHTIME ?= 1s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: check
check: have-go ## format, go vet, simvet, layers and sizes, go.mod; print the exceptions
	@echo "== gofmt"
	@bad=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
	if [ -n "$$bad" ]; then echo "not formatted, run gofmt -w on:" >&2; echo "$$bad" >&2; exit 1; fi
	@echo "== go vet"
	@$(GO) vet ./...
	@$(GO) vet -tags ops ./cmd/... ./internal/...
	@echo "== simvet"
	@$(GO) build -trimpath -o bin/simvet ./cmd/simvet
	@$(GO) vet -vettool="$(CURDIR)/bin/simvet" ./...
	@echo "== layers, sizes, words, files, comments, documents"
	@$(GO) test $(TEST_FLAGS) ./internal/repo
	@echo "== go mod tidy"
	@$(GO) mod tidy -diff || { echo "go.mod or go.sum is not tidy: run $(GO) mod tidy" >&2; exit 1; }
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
	@GO="$(GO)" CGO_ENABLED=0 $(GO) run -trimpath ./internal/demo

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

# What needs more than Go: a browser, Prometheus, network namespaces, Docker. As
# root on Debian it installs what is missing; what a machine cannot have is left
# out, and said.
SHOTS     ?= $(CURDIR)/out/shots
OPS_TEST  := $(GO) test -tags ops -count=1 -timeout 10m
.PHONY: test-ops
test-ops: have-go ops-tools view-test metrics-test deploy-test netns-test compose-test ## the four below, and the pages in a browser: screenshots in out/shots, or SHOTS=DIR

.PHONY: view-test
view-test: have-go
	@mkdir -p "$(SHOTS)"
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then \
		cd internal/viewtest && VIEW_SHOTS="$(SHOTS)" $(OPS_TEST) .; \
	else echo "left out: the pages in a browser (no Chromium)"; fi

.PHONY: metrics-test
metrics-test: have-go ## rules and dashboards against a real Prometheus that scrapes a real node
	@if command -v prometheus >/dev/null && command -v promtool >/dev/null; then \
		$(OPS_TEST) ./internal/ops ./cmd/maculanode/internal/metrics; \
	else echo "left out: rules and dashboards (no Prometheus)"; fi

.PHONY: deploy-test
deploy-test: have-go ## the manifests by the types of Kubernetes, the unit by systemd-analyze
	cd internal/deploytest && $(OPS_TEST) .

.PHONY: netns-test
netns-test: have-go ## four nodes in network namespaces: calls, loss of a node, a cut, a rolling restart
	@if command -v ip >/dev/null && [ "$$(id -u)" = 0 ]; then \
		$(OPS_TEST) -v -run Namespaces ./internal/fleet; \
	else echo "left out: four nodes in network namespaces (needs root and ip of iproute2)"; fi

.PHONY: compose-test
compose-test: have-go ## the same with deploy/compose.yml, in containers and with Prometheus
	@if docker info >/dev/null 2>&1; then $(OPS_TEST) -v -run Containers ./internal/fleet; \
	else echo "left out: four nodes in containers (no Docker that answers)"; fi

# The tests of the other targets bring their own reasons to skip; these are the
# programs that they look for.
.PHONY: ops-tools
ops-tools:
	@missing=; \
	command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$$missing chromium"; \
	command -v promtool >/dev/null || missing="$$missing prometheus"; \
	command -v ip >/dev/null || missing="$$missing iproute2"; \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 \
		|| echo "test-ops: these packages cannot be installed:$$missing" >&2; \
	fi

.PHONY: release
release: have-go ## archives for Linux and macOS with checksums, in out/release; VERSION=v1.2.3
	@$(GO) run ./internal/release -version "$(VERSION)"

.PHONY: release-test
release-test: have-go ## two builds of a release give the same bytes: two minutes
	$(OPS_TEST) -v ./internal/release

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
