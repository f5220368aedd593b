# `make` prints this list. Everything needs Go alone, except `test`, which also
# runs the official npm client, a private PostgreSQL and Redis, and Helm, and
# installs what is missing of them.

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -ec
GO          ?= go
FUZZTIME    ?= 60s
ROWS        ?= 10000000
ROUNDS      ?= 60
LINT        := golangci-lint@v2.15.0
HELM        := helm@v3.22.0
GOBIN       := $(shell $(GO) env GOPATH)/bin
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION)

export CGO_ENABLED = 0

.DEFAULT_GOAL := help
.PHONY: help build run test clients servers helm long race lint fuzz bench bench-store cluster drills soak check

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/cartrita
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/cartrita ./cmd/cartrita

run: build ## Build and start the gateway on 127.0.0.1:8080, with demo models if no provider key is set
	bin/cartrita serve --demo=auto $(ARGS)

test: clients servers helm ## Run every test, end-to-end tests with real clients included
	$(GO) test -count=1 -timeout 14m ./... # uncached: the end-to-end tests build the binary themselves

clients: ## Install the npm client that the end-to-end tests use
	@command -v npm >/dev/null || { \
	  echo "Node.js is missing; installing it with apt-get"; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; }
	@cd test/clients && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund; }

servers: ## Install the PostgreSQL and the Redis that tests start for themselves
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	if [ -n "$$CARTRITA_TEST_POSTGRES" ]; then \
	  echo "WARNING: no PostgreSQL is installed: tests that stop a server of their own are SKIPPED; CARTRITA_TEST_POSTGRES does not do for them." >&2; \
	elif command -v apt-get >/dev/null; then \
	  echo "PostgreSQL is missing; installing it with apt-get"; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  none=/etc/postgresql-common/createcluster.d/no-cluster-for-tests.conf; \
	  $$sudo mkdir -p "$${none%/*}"; echo "create_main_cluster = false" | $$sudo tee $$none >/dev/null; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends postgresql >/dev/null || failed=1; \
	  $$sudo rm -f $$none; [ -z "$$failed" ]; \
	else \
	  echo "WARNING: no PostgreSQL is installed: everything about it stays untested. Install it, or set CARTRITA_TEST_POSTGRES to the URL of one." >&2; \
	fi
	@[ -n "$$CARTRITA_TEST_POSTGRES" ] || ! command -v apt-get >/dev/null || internal/testserver/pgvector.sh || \
	  echo "WARNING: there is no pgvector: its index stays untested." >&2
	@command -v redis-server >/dev/null || \
	if [ -n "$$CARTRITA_TEST_REDIS" ]; then \
	  echo "WARNING: no Redis is installed: tests that stop a server of their own are SKIPPED; CARTRITA_TEST_REDIS does not do for them." >&2; \
	elif command -v apt-get >/dev/null; then \
	  echo "Redis is missing; installing it with apt-get"; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  none=/usr/sbin/policy-rc.d; [ -e $$none ] && none= || { printf '#!/bin/sh\nexit 101\n' | $$sudo tee $$none >/dev/null; $$sudo chmod +x $$none; }; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends redis-server >/dev/null || failed=1; \
	  [ -z "$$none" ] || $$sudo rm -f $$none; \
	  ! command -v systemctl >/dev/null || $$sudo systemctl -q disable redis-server || true; [ -z "$$failed" ]; \
	else \
	  echo "WARNING: no Redis is installed: everything about it stays untested. Install it, or set CARTRITA_TEST_REDIS to the URL of one." >&2; \
	fi

helm: ## Install the Helm that renders the chart in tests
	@command -v helm >/dev/null || [ -x $(GOBIN)/helm ] || { \
	  echo "Helm is missing; building it takes some minutes"; $(GO) install helm.sh/helm/v3/cmd/$(HELM); } || \
	  echo "WARNING: there is no Helm: the chart stays untested." >&2

long: ## Run the tests that take minutes
	CARTRITA_TEST_LONG=1 $(GO) test -count=1 -timeout 30m -run Long ./test/e2e

race: ## Run the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -timeout 30m ./...

lint: $(GOBIN)/golangci-lint ## Check style and common mistakes
	$(GOBIN)/golangci-lint run

$(GOBIN)/golangci-lint:
	$(GO) install github.com/golangci/golangci-lint/v2/cmd/$(LINT)

fuzz: ## Run every fuzz target for a minute each (FUZZTIME=10s for less)
	@$(GO) list -f '{{.Dir}}' ./... | while read -r dir; do \
	  { grep -ohE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go 2>/dev/null || true; } | sed 's/^func //' | while read -r target; do \
	    echo "== $${dir#$(CURDIR)/} $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "$$dir" </dev/null; \
	  done; \
	done

bench: build ## Measure routing, recording, start-up and the gateway beside a bare proxy
	$(GO) run ./test/bench

bench-store: servers ## Fill SQLite and PostgreSQL with events and measure every question (ROWS=1000000 for less)
	$(GO) test -count=1 -timeout 12h -v -run 'TestSQLite|TestPostgres' ./test/rows -events $(ROWS) -rounds $(ROUNDS)

cluster: build servers ## Start three replicas, a PostgreSQL, a Redis and a model server, for trying by hand
	$(GO) run ./test/cluster $(ARGS)

drills: build servers ## Stop the database for a minute, and restart three replicas, under load
	$(GO) run ./test/cluster -port 0 -rate 200 -outage 60s $(ARGS)
	$(GO) run ./test/cluster -port 0 -rate 300 -restart $(ARGS)

soak: build servers ## Load three replicas for 30 minutes and find what grows
	$(GO) run ./test/cluster -port 0 -rate 300 -soak 30m $(ARGS)

check: lint test ## What must pass before a change is merged
