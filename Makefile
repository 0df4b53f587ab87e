# Signalbox. `make help` lists what there is to do.
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

WEB_SOURCES := $(shell find web/src web/public web/index.html web/vite.config.ts web/package-lock.json -type f 2>/dev/null)
GENERATED := api/types.gen.go web/src/api/schema.gen.ts migrations/schema.sql
POSTGRES_NPM := internal/postgres/embedded/npm
CLIENTS := cmd/control/testdata/clients

.PHONY: help
help: ## what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build $(POSTGRES_NPM)/node_modules ## everything on this machine: http://127.0.0.1:8080
	@exec bin/control dev

.PHONY: test
test: build $(POSTGRES_NPM)/node_modules clients ## every test: Go with real Postgres and real brokers, the web UI, a real browser
	go tool gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg -- -timeout 20m $(GOTESTFLAGS) ./...
	cd web && npm test
	cd web && npm run e2e

SCALE ?= small

.PHONY: bench
bench: build $(POSTGRES_NPM)/node_modules ## Signalbox measured beside the stock nats-server; SCALE=full takes a quarter of an hour, README=1 keeps the table
	go build -o bin/bench ./cmd/bench
	@mkdir -p .data
	bin/bench -scale $(SCALE) -o .data/bench.json $(if $(README),-readme README.md)

.PHONY: check
check: web/node_modules ## format, vet, lint, generated files fresh
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	go mod tidy -diff
	go vet ./...
	go tool staticcheck ./...
	cd web && npm run check
	$(MAKE) generate
	git diff --exit-code --stat -- $(GENERATED)

.PHONY: generate
generate: web/node_modules $(POSTGRES_NPM)/node_modules ## make the generated files anew: API structs, UI types, schema dump
	go generate ./api
	cd web && npm run generate
	go test -count=1 -run TestSchema ./internal/postgres -update

.PHONY: build
build: bin/control bin/broker ## both binaries, with the web UI inside

.PHONY: bin/control
bin/control: web/dist/index.html
	go build -o $@ ./cmd/control

.PHONY: bin/broker
bin/broker:
	go build -o $@ ./cmd/broker

.PHONY: web
web: web/dist/index.html ## the web UI's build
web/dist/index.html: $(WEB_SOURCES) web/node_modules
	cd web && npm run build
	@touch $@

web/node_modules: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

$(POSTGRES_NPM)/node_modules: $(POSTGRES_NPM)/package-lock.json
	npm ci --prefix $(POSTGRES_NPM) --ignore-scripts --no-audit --no-fund
	@touch $@

# What the tests connect with that is not ours: the browser and mosquitto from
# Debian when there are none, and clients in JavaScript.
.PHONY: clients
clients: $(CLIENTS)/node_modules ## the tests' clients: Chromium, mosquitto, packages from npm
	@command -v chromium >/dev/null && command -v mosquitto_sub >/dev/null || \
		{ echo "installing Chromium and mosquitto's clients"; apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium mosquitto-clients >/dev/null; }

$(CLIENTS)/node_modules: $(CLIENTS)/package-lock.json
	npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: clean
clean: ## remove what was built; state in .data stays
	rm -rf bin web/node_modules $(POSTGRES_NPM)/node_modules $(CLIENTS)/node_modules
	find web/dist -mindepth 1 ! -name .gitkeep -delete
