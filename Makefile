# 'go run . serve' and 'go test ./...' need Go and nothing else. These targets need more;
# each says what.

GO       ?= go
FUZZTIME ?= 50000x

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: ## the godwit binary
	$(GO) build -trimpath -o godwit .

.PHONY: functions
functions: ## the zips of the Lambda functions, into build/functions
	$(GO) run ./shared/deploy/functions

.PHONY: test
test: ## what the README says
	$(GO) test ./...

.PHONY: check
check: lint race fuzz ## all checks of the code: lint, race, fuzz (a C compiler)

.PHONY: lint
lint: ## gofmt, vet (test tags too), staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w is wanted by:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags clients,crash,interop,peers ./tests/... ./shared/archive
	$(GO) vet -tags localstack,clients ./...
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags clients,crash,interop,peers ./tests/... ./shared/archive
	$(GO) tool staticcheck -tags localstack,clients ./...

.PHONY: race
race: ## the tests with the race detector, in random order (a C compiler)
	$(GO) test -race -shuffle=on -timeout 20m $(TESTFLAGS) ./...

# Each fuzz target for FUZZTIME; FUZZTIME=10m make fuzz is a night's work. The default is a
# count: when a time is over, Go before 1.27 may say 'context deadline exceeded' although
# no input failed (golang/go#75804).
.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (50,000 inputs)
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		dir=$$(dirname $$file); \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' $$file); do \
			echo "fuzz $$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$dir >fuzz.out 2>&1 </dev/null || { cat fuzz.out; exit 1; }; \
			rm -f fuzz.out; \
		done; \
	done

.PHONY: test-clients
test-clients: ## the real binary with real clients (swaks, curl, mbsync, offlineimap, getmail, mutt, tmux, python3, npm)
	$(GO) test -tags clients -count=1 -timeout 15m -v ./tests/clients ./shared/archive

.PHONY: test-peers
test-peers: ## among Postfix, Exim, OpenDKIM, dkimpy and mailauth (root; these, python3, npm; /usr/local/sbin/exim4, as Debian's package bears no other beside it)
	$(GO) test -tags peers -count=1 -timeout 15m -v ./tests/peers

.PHONY: test-ses
test-ses: ## sending by SES, as moto plays it (python3)
	$(GO) test -tags clients -count=1 -timeout 10m -v -run SES ./tests/service

.PHONY: test-crash
test-crash: ## kill -9 under load, 50 times
	$(GO) test -tags crash -count=1 -timeout 15m -v ./tests/crash

.PHONY: interop
interop: ## IMAP's scripts against Dovecot too (root; Debian's dovecot-imapd and dovecot-lmtpd)
	$(GO) test -tags interop -count=1 -timeout 15m -v ./tests/interop

# With Debian's dovecot-lmtpd, dovecot-imapd and postfix installed, Dovecot takes the same
# load in the same run. 'go run ./tests/bench -h' tells the parts, which can be run alone.
.PHONY: bench
bench: ## mail, mailboxes, a mix of clients, bodies, compaction and idle connections
	$(GO) run ./tests/bench $(BENCHFLAGS)

.PHONY: dev-cloud
dev-cloud: ## the whole service as in AWS, on this machine (Terraform, and what localstack-up needs)
	@localstack/dev.sh

.PHONY: localstack-up
localstack-up: ## LocalStack (Docker, or Python 3.13, Java 17 and npm)
	@localstack/up.sh

.PHONY: localstack-apply
localstack-apply: ## the service's AWS parts in LocalStack
	@localstack/apply.sh

.PHONY: localstack-seed
localstack-seed: ## a tenant, a domain and two accounts in it
	@localstack/seed.sh

.PHONY: localstack-down
localstack-down: ## stop all of it
	@localstack/down.sh

# Formats, validates and tests Terraform's files, and what they may do. Nothing is deployed.
.PHONY: test-infra
test-infra: ## Terraform's files (Terraform 1.9 or later)
	$(GO) test -count=1 -tags localstack -timeout 20m $(TESTFLAGS) ./infra

# LocalStack is brought up and, after the tests, down. Three runs: contracts wait for the
# emulated cloud more than they work; failures and counts want little beside them; the
# last deploys the service with Terraform and plays the dialogues and clients on it.
.PHONY: test-localstack
test-localstack: ## all that runs on AWS parts (LocalStack, Terraform, swaks, curl, mbsync)
	@eval "$$(localstack/up.sh)"; code=0; \
	$(GO) test -count=1 -tags localstack -p 2 -parallel 32 -timeout 15m $(TESTFLAGS) ./shared/internal/awsclient/... \
		./shared/journal/dynamodb ./shared/records/dynamodb ./shared/blob/s3 ./shared/queue/sqs ./shared/notify/sqs || code=1; \
	$(GO) test -count=1 -tags localstack -p 2 -parallel 5 -timeout 15m $(TESTFLAGS) ./functions/deliver/bootstrap ./shared/deploy \
		./tests/budget ./tests/chaos || code=1; \
	$(GO) test -count=1 -tags localstack,clients -p 2 -timeout 25m $(TESTFLAGS) ./tests/service ./tests/clients || code=1; \
	$(GO) test -count=1 -tags localstack -timeout 5m $(TESTFLAGS) -run ClientsFollowATable ./shared/account || code=1; \
	localstack/down.sh; exit $$code
