# Every command of this project. `make` alone lists them.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help run status stop url logs try order listen psql shell migrate test test-long test-by-hand bench bench-against profile growth faults overload fuzz conform soak crowd check lint-api console-soak token revoke replay convert demo client twin picture backup restore lock audit sbom containers secrets licences clean

# They would have our Python find other modules than ours, or pip install elsewhere.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONSAFEPATH PYTHONOPTIMIZE PYTHONWARNINGS PYTHONPLATLIBDIR
unexport __PYVENV_LAUNCHER__

VENV = .venv
BIN = $(VENV)/bin
UV = uv
AUDIT = pip-audit

ROLE = customer
SUB = asha
TOKEN =
ID =
LINE =
SPEED =
TRIPS =
PINGS =
FROM =
TO =
ZONE =
URL =
SEED =
REF =
ROUNDS =
RATE =
DRIVERS =
MINUTES =
FILE =
ARGS =

# PYTHON=... if given; else the one the environment was built with; else the first that is new enough.
CANDIDATES = $(if $(PYTHON),"$(PYTHON)","$(BIN)/python" python3 python3.13 python3.12 python3.11)
SUITS = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
NONE_SUITS = Python 3.11, 3.12 or 3.13 is needed and $(if $(PYTHON),PYTHON=$(PYTHON) is none of them,none was found): install one or name it, as in PYTHON=/usr/bin/python3.12.
FIND_PYTHON = for python in $(CANDIDATES) ""; do "$$python" -c '$(SUITS)' 2>/dev/null && break; done; \
	test -n "$$python" || { echo "weelo: $(NONE_SUITS)" >&2; exit 1; }
PREPARE = @$(FIND_PYTHON); "$$python" -m tools.local.bootstrap "$(VENV)"

# Said before anything is installed.
NEEDS = @test -n "$(1)" || { echo "weelo: $(2)" >&2; exit 1; }
LOGS = $(wildcard .run/logs/$(or $(LINE),*).log)

# A command with the settings of the system that `make run` has started.
WITH_SETTINGS = "$(BIN)/python" -m tools.local.running
COMMAND = "$(BIN)/python" -m tools.local.commands

# Every target with its sentence, below the heading of its group, in columns as wide as the longest name.
help: ## list these commands
	@awk -F':.*## ' '/^##@ / { names[++rows] = ""; texts[rows] = substr($$0, 5) } \
		/^[a-z-]+:.*## / { names[++rows] = $$1; texts[rows] = $$2; \
			if (length($$1) > widest) widest = length($$1) } \
		END { for (row = 1; row <= rows; row++) if (names[row] == "") printf "\n%s\n", texts[row]; \
			else printf "  make %-" widest "s  %s\n", names[row], texts[row] }' $(MAKEFILE_LIST)

##@ The system
run: ## start everything on this machine; Ctrl-C stops it
	$(PREPARE) run
	@exec "$(BIN)/python" -m tools.local.run

status: ## what runs, where, and what /ready says
	$(PREPARE) run
	@exec $(COMMAND) status

stop: ## stop what `make run` has started, from another terminal
	$(PREPARE) run
	@exec $(COMMAND) stop

url: ## print the address of the web server
	$(PREPARE) run
	@exec $(COMMAND) url

logs: ## follow what a line of the Procfile writes (LINE=web; all without it)
	@test -n "$(LOGS)" || { echo "weelo: no such log: LINE is web, orders, sweeps, beat or flower, once make run has started it" >&2; exit 1; }
	@exec tail -n 100 -F $(LOGS)

migrate: ## bring the database of what runs, or of .env, to the newest version
	$(PREPARE) run
	@exec $(WITH_SETTINGS) "$(BIN)/python" -m alembic -c models/migrations/alembic.ini upgrade head

psql: ## SQL in the running database (ARGS="-c 'SELECT count(*) FROM orders'")
	$(PREPARE) run
	@exec $(COMMAND) psql $(ARGS)

shell: ## Python with the running system's settings, tables and Redis
	$(PREPARE) run
	@exec $(WITH_SETTINGS) "$(BIN)/python" -i -c "from models import db, live, settings; from models.tables import all as tables"

backup: ## write all orders to a file, also while everything runs (FILE=weelo.dump)
	$(call NEEDS,$(FILE),name the file: make backup FILE=weelo.dump)
	$(PREPARE) run
	@exec $(WITH_SETTINGS) "$(BIN)/python" -m tools.local.backup save "$(FILE)"

restore: ## begin again from such a file, with nothing running; what came after it is gone (FILE=weelo.dump)
	$(call NEEDS,$(FILE),name the file: make restore FILE=weelo.dump)
	$(PREPARE) run
	@exec "$(BIN)/python" -m tools.local.backup restore "$(FILE)"

##@ Try it
try: ## run the README's story against what runs, and show each step
	$(PREPARE) run
	@sed -n '/^From a terminal:/,/^```$$/p' README.md | sed '1,/^```bash$$/d; /^```$$/d' | bash -euv

order: ## print an order's story (ID=...)
	$(call NEEDS,$(ID),name the order: make order ID=... with the whole id that its answer or the console shows)
	$(PREPARE) run
	@exec $(WITH_SETTINGS) "$(BIN)/python" -m tools.watch.order $(ID)

listen: ## show the frames of a person's socket as they arrive (ROLE=driver SUB=ravi)
	$(PREPARE) run
	@exec $(WITH_SETTINGS) "$(BIN)/python" -m tools.watch.listen "$(ROLE)" "$(SUB)"

token: ## print a token (ROLE=customer|driver|ops SUB=asha)
	$(PREPARE) run
	@exec "$(BIN)/python" -m tools.local.running "$(BIN)/python" -m web.identity.print_token "$(ROLE)" "$(SUB)"

revoke: ## call a token back before it runs out (TOKEN=..., or from standard input)
	$(PREPARE) run
	@$(if $(TOKEN),printf '%s' "$(TOKEN)" |) "$(BIN)/python" -m tools.local.running "$(BIN)/python" -m web.identity.revoke_token

demo: ## a simulated city against what runs (SEED=1 DRIVERS=200 SPEED=20 MINUTES=10)
	$(PREPARE) run
	@exec "$(BIN)/python" -m tools.local.running "$(BIN)/python" -m tools.demo $(if $(SEED),--seed "$(SEED)") \
		$(if $(DRIVERS),--drivers "$(DRIVERS)") $(if $(SPEED),--speed "$(SPEED)") \
		$(if $(MINUTES),--minutes "$(MINUTES)") $(if $(URL),--url "$(URL)") $(ARGS)

replay: ## replay recorded trips against what runs (TRIPS=file PINGS=file SPEED=60 FROM=17:00 TO=18:00)
	$(PREPARE) run
	@exec "$(BIN)/python" -m tools.local.running "$(BIN)/python" -m tools.replay \
		--trips "$(TRIPS)" --pings "$(PINGS)" \
		$(if $(SPEED),--speed "$(SPEED)") $(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)") \
		$(if $(URL),--url "$(URL)") $(ARGS)

convert: ## make CSV for the replay of a GPX trace, Porto, T-Drive, other tables (FROM=file-or-folder TO=folder ZONE=Asia/Kolkata)
	$(PREPARE) run
	@exec "$(BIN)/python" -m tools.replay.convert --from "$(FROM)" $(if $(TO),--to "$(TO)") $(if $(ZONE),--zone "$(ZONE)")

##@ Apps
# LANG is the locale too, unless it stands on the command line.
client: ## generate a client for an app (LANG=typescript|kotlin|swift|python, or postman: a collection; TO=folder)
	$(call NEEDS,$(filter command,$(origin LANG)),name the language: make client LANG=typescript (or kotlin, swift, python, postman))
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.client "$(LANG)" $(if $(TO),--to "$(TO)")

twin: ## write the blocking half of the Python client again, from its asyncio half
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.client.twin

##@ Tests and checks
# Tests mostly wait: three processes keep two cores busy. Each has stores and a system of its own, and takes
# a file at a time in this order, those that wait longest first.
SHORT = -m "not long and not by_hand" -n 3 --dist loadfile --no-loadscope-reorder \
	tests/e2e tests/faults tests/skew tests/integration tests/unit tests

test: ## everything that is promised, in minutes, on throw-away servers (ARGS="-k name": any tests, one by one)
	$(PREPARE) dev
	@"$(BIN)/python" -m tests.chromium
	@exec "$(BIN)/python" -m pytest $(or $(ARGS),$(SHORT))

test-long: ## what `make test` leaves out: faults, mutations, load, slow pages
	$(PREPARE) dev
	@"$(BIN)/python" -m tests.chromium
	@"$(BIN)/python" -m pytest -m "long and not by_hand and not timed" -n 3 --dist loadfile tests/e2e
	@"$(BIN)/python" -m pytest -m "timed and not by_hand" tests/e2e
	@exec "$(BIN)/python" -m pytest -m "long and not by_hand" --ignore tests/e2e

test-by-hand: ## every defence taken away in turn, and crowds; most of an hour
	$(PREPARE) dev
	@exec "$(BIN)/python" -m pytest -m by_hand $(ARGS)

faults: ## kill processes under load, then check that no order was lost or doubled (ARGS="--kills 1000 --minutes 60")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tests.faults $(ARGS)

fuzz: ## send 100,000 frames drawn from /asyncapi.json, right and wrong, to a socket's server (ARGS="--frames 200000 --seed 1")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tests.fuzz $(ARGS)

conform: ## 20,000 requests drawn from /openapi.json, every answer held against it (ARGS="--requests 40000 --seed 1")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tests.conform $(ARGS)

check: ## lint, formatting, types and the direction of imports
	$(PREPARE) dev
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"
	"$(BIN)/lint-imports"

lint-api: ## hold the published documents against Spectral's rules (needs npm and a network)
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.audit.api

##@ Measurements
bench: ## measure capacity, cost of an order, and more (ARGS="--cases capacity,cost --rounds 3 --seconds 8")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.bench \
		$(if $(TRIPS),--trips "$(TRIPS)") $(if $(PINGS),--pings "$(PINGS)") $(ARGS)

bench-against: ## this commit and another in turn: capacity, cost, and their ratios (REF=6cb7a14 ROUNDS=5 ARGS="--quick")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.bench.against --ref "$(REF)" $(if $(ROUNDS),--rounds "$(ROUNDS)") $(ARGS)

profile: ## where the CPU time of an order goes, by process and stage, with a picture (RATE=100 ARGS="--seconds 30")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.bench.profile $(if $(RATE),--rate "$(RATE)") $(ARGS)

growth: ## fill the tables with 5 million offers, use everything, and say what took longest (ARGS="--orders 100000 --drivers 30000")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tests.growth $(ARGS)

overload: ## 2.5 times the peak for 20 s, also from clients that repeat and beside busy processes (ARGS="--cases patient")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.bench.overload $(ARGS)

soak: ## two hours' load in ten minutes: what every part holds, before and after (ARGS="--minutes 2 --orders 3000")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tests.faults.endurance $(ARGS)

crowd: ## 10,000 drivers on sockets, a position every 5 s each: is the index right? (ARGS="--drivers 1000 --minutes 1")
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tests.faults.crowd $(ARGS)

console-soak: ## the console beside 2,000 drivers and 20 orders/s: frames, memory, cost (ARGS="--minutes 2 --drivers 500")
	$(PREPARE) dev
	@"$(BIN)/python" -m tests.chromium
	@exec "$(BIN)/python" -m tests.soak $(ARGS)

##@ The repository
picture: ## draw docs/console.png and docs/console.gif from the real page
	$(PREPARE) dev
	@"$(BIN)/python" -m tests.chromium
	@"$(BIN)/python" -m tests.picture
	@exec "$(BIN)/python" -m tests.film

LOCK = "$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--only-binary :all: --custom-compile-command "make lock" $(ARGS)

lock: ## pin the requirements anew, with hashes (ARGS=--upgrade for newer versions)
	@command -v "$(UV)" >/dev/null || { echo "weelo: uv is missing: pip install uv, or set UV=..." >&2; exit 1; }
	@for part in "" -local -stores -dev; do \
		$(LOCK) requirements$$part.in -o requirements$$part.txt || exit 1; done

sbom: ## print every package of the image with its hashes (CycloneDX)
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.audit.sbom

containers: ## build the image and try docker-compose.yml on an engine of its own (needs root, Debian and a network)
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tests.containers $(ARGS)

audit: ## ask for known weaknesses of the pinned packages (needs pip-audit and a network)
	@command -v "$(AUDIT)" >/dev/null || { echo "weelo: pip-audit is missing: pip install pip-audit, or set AUDIT=..." >&2; exit 1; }
	@for part in "" -local -stores; do \
		"$(AUDIT)" --strict --disable-pip --require-hashes -r requirements$$part.txt $(ARGS) || exit 1; done

secrets: ## look for secrets in the files and in the history
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.audit.secrets

licences: ## list the licence of every pinned package
	$(PREPARE) dev
	@exec "$(BIN)/python" -m tools.audit.licences

clean: ## remove the environment, the caches and all local data
	@$(FIND_PYTHON); "$$python" -m tools.local.clean "$(VENV)"
