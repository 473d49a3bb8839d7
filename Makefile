# make demo · make test · make bench · make lint — each sets up what it needs; make setup does only that.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
PY := .venv/bin/python
READY := .venv/.ready node_modules/.ready
YEARS := --from 2019-01-01 --to 2023-12-31

.PHONY: help demo test test-fast explore coverage mutate faults gates tables bench chaos takeovers fuzz-nodes fuzz-data soak breaches recorded-looks states venue-states drills backtest scenarios all-weather sensitivity evaluate lint format wheel lock setup settings contracts forge clean
MINUTES ?= 60
MUTANTS ?= 60
SEED ?= 1
UNIT_FOLDERS := $(addprefix --ignore=tests/,chain faults bench peers)
KILLS ?= 1000
REORGS ?= 500
CALLS ?= 20000
N ?= 20000
JOBS ?= 1
STATES ?= 1000
LOOKS ?= 568
DRILLS ?= 100
CYCLES ?= 10000
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(READY) ## a vault goes from USDC to leveraged risk parity on a local chain, and reacts to a price move
	@.venv/bin/keeper demo $(DEMO)

# Without compiled files each worker, and each keeper that a test starts, compiles everything again.
test test-fast coverage: export PYTHONDONTWRITEBYTECODE =

test: $(READY) .venv/.peers ## the whole default suite
	@$(PY) -c "from keeper.devnet.compile import compile_all; compile_all(print)"
	@$(PY) -m pytest $(if $(TESTS),$(TESTS),-n 3 --dist worksteal)

test-fast: $(READY) ## the unit tests, with few examples of each property and no network: under a minute
	@$(PY) -m pytest -q -n 2 --dist worksteal -m unit --hypothesis-profile=fast $(UNIT_FOLDERS)

explore: $(READY) ## the property tests with random examples for an hour (MINUTES=60); what fails is kept in .hypothesis
	@$(PY) -m tests.tools.explore --minutes $(MINUTES)

chaos: $(READY) ## a thousand keepers killed, five hundred reorganisations: the suite's own tests with bigger numbers
	@KEEPER_KILLS=$(KILLS) KEEPER_REORGS=$(REORGS) $(PY) -m pytest -q tests/faults/test_chaos.py tests/faults/test_chaos_postgres.py tests/faults/test_reorgs.py

takeovers: N := 50
takeovers: $(READY) ## two daemons on PostgreSQL, the leader killed, frozen and cut off N=50 times each: how long until the other acts
	@KEEPER_TAKEOVERS=$(N) KEEPER_TAKEOVER_LEASE_S=8 $(PY) -m pytest -q tests/faults/test_two_machines.py

soak: $(READY) ## CYCLES=10000 cycles of one daemon, an hour of the chain's time each, a fault every few: memory, alerts, doubles (SEED=1)
	@KEEPER_CYCLES=$(CYCLES) KEEPER_SEED=$(SEED) $(PY) -m pytest -q tests/faults/test_soak.py

breaches: N := 1000
breaches: $(READY) ## a breach of the health factor N=1000 times: from the block that shows it to the signed attempt (SEED=1)
	@KEEPER_BREACHES=$(N) KEEPER_SEED=$(SEED) $(PY) -m pytest -q tests/faults/test_breaches.py

fuzz-nodes: $(READY) ## change one field of one answer of a node (N=20000 times), in the only node and in one of three: no traceback, no wrong action
	@KEEPER_MUTATIONS=$(N) KEEPER_SEED=$(SEED) KEEPER_JOBS=$(JOBS) $(PY) -m pytest -q -s -n $(JOBS) --dist worksteal tests/faults/test_node_fuzz.py

fuzz-data: .venv/.ready ## random vaults (STATES=5000) whose inputs are degraded in every way: what is missing never raises risk
	@$(PY) -m tests.tools.missing_data --states $(STATES) --seed $(SEED)

recorded-looks: .venv/.ready ## LOOKS=568 looks at recorded history with one part missing, and LUNA's week without data
	@$(PY) -m tests.tools.recorded_looks --looks $(LOOKS)

states: $(READY) ## a thousand random vaults and goals on the real contracts, and what their plans cost relative to reference costs
	@KEEPER_STATES=$(STATES) $(PY) -m pytest -q --tables tests/chain/test_random_states.py

venue-states: STATES := 300
venue-states: $(READY) ## a walk of STATES=300 random prices, rates and goals over accounts on Aave and Morpho, on the real contracts, and what their plans cost
	@KEEPER_STATES=$(STATES) $(PY) -m pytest -q --tables tests/chain/test_venues.py

drills: $(READY) ## a hundred random vaults (DRILLS=100 SEED=1): what the fire drill foretells, and each fall made to happen on Anvil
	@KEEPER_DRILLS=$(DRILLS) KEEPER_SEED=$(SEED) $(PY) -m pytest -q --tables tests/chain/test_fire_drill.py

coverage: $(READY) ## branch coverage of the pure core by the tests without a chain; fails below 98 %
	@$(PY) -m pytest -q -n 2 --dist worksteal -m "unit or slow" --cov --cov-report=term-missing $(UNIT_FOLDERS)

mutate: .venv/.ready ## change the core in MUTANTS=60 places (0: all), one at a time, and list what no test notices
	@$(PY) -m tests.tools.mutate --mutants $(MUTANTS) --seed $(SEED)

faults: .venv/.ready ## list the tests of each fault in docs/faults.md
	@$(PY) -m tests.tools.faults_page

gates: .venv/.ready ## which gate stops which trade at which trust of a price, in docs/prices.md
	@$(PY) -m tests.tools.gates_page

tables: $(READY) ## what tests measure and docs/ quotes: trading costs, the price gate, slow feeds, an emergency (TESTS=file for one)
	@$(PY) -m pytest -q --tables $(if $(TESTS),$(TESTS),tests/chain/test_cost_curve_on_chain.py \
	  tests/oracle/test_real_rounds.py tests/risk/test_slow_feeds.py tests/faults/test_emergency.py)

bench: $(READY) .venv/.peers ## speed beside the libraries of this field, measured on this machine
	@OPENBLAS_NUM_THREADS=1 $(PY) -m pytest tests/bench --benchmark-enable --benchmark-only --benchmark-columns=min,median,rounds -q

backtest: .venv/.ready ## what the shipped strategy would have done 2019-2023; page and tables in backtest/, README's table
	@.venv/bin/keeper backtest $(YEARS) --picture docs/backtest.svg $(BACKTEST)
	@test -n "$(BACKTEST)" || $(PY) -m tests.tools.published

SCENARIOS := oracle-step dry-reserve dry-reserve-ltv-kept dry-reserve-crash pinned-feed gas-spike march-2020 may-2021 june-2022 november-2022 march-2023 calm-2023
scenarios: $(READY) ## every window and incident of docs/scenarios.md with TARGET=1.6, one after the other; hours and journals in scenarios/
	@failed=; for name in $(SCENARIOS); do \
	  .venv/bin/keeper devnet scenario $$name --target $(or $(TARGET),1.6) --out scenarios/$$name || failed="$$failed $$name"; \
	done; test -z "$$failed" || { echo "not as promised, or not played:$$failed" >&2; exit 1; }

all-weather: .venv/.ready ## crypto, gold, staked ETH and a yield dollar beside each alone and today's four tokens; TARGET=0.4
	@.venv/bin/keeper backtest --from 2021-03-01 --to 2023-12-29 --strategy deploy/strategies/all-weather.toml \
		--venue deploy/strategies/all-weather-venue.toml --target $(or $(TARGET),0.4) --alone --against keeper.toml \
		--out all-weather $(BACKTEST)

sensitivity: .venv/.ready ## the same with other rates, assets, fees, depths, gas and sizes, in pairs; tables in sensitivity/
	@.venv/bin/keeper backtest $(YEARS) --no-benchmarks --sensitivity --out sensitivity $(BACKTEST)

evaluate: .venv/.ready .venv/.peers ## which risk estimator is best, on 2019-2022, checked on 2023
	@.venv/bin/keeper evaluate --from 2019-01-01 --to 2022-12-31 --check-from 2023-01-01 --check-to 2023-12-31

lint: $(READY) ## ruff, mypy --strict, import layers
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

format: $(READY) ## rewrite the sources as the linter wants them
	@.venv/bin/ruff check --fix -q . ; .venv/bin/ruff format .

wheel: .venv/.ready ## the wheel that a server installs, in dist/ with requirements-runtime.lock (docs/installing.md)
	@rm -rf dist && $(PY) -m hatchling build -t wheel && cp requirements-runtime.lock dist/

lock: $(READY) ## renew the lock files from pyproject.toml, with hashes
	@.venv/bin/uv pip compile pyproject.toml --extra research --extra postgres --extra mcp --group dev --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --universal -q -o requirements.lock
	@.venv/bin/uv pip compile pyproject.toml --extra postgres -c requirements.lock --generate-hashes --no-annotate --no-emit-index-url --no-header \
	  --python-version 3.11 --universal -q -o requirements-runtime.lock
	@.venv/bin/uv pip compile --group peers -c requirements.lock --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --universal -q -o requirements-peers.lock
	@.venv/bin/uv pip compile --group slither --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --universal -q -o requirements-slither.lock

settings: .venv/.ready ## write keeper.toml and the tables of docs/settings.md from keeper/settings
	@$(PY) -m tests.tools.settings_files

contracts: $(READY) ## compile the vault's contracts, and renew their JSON in contracts_abi/
	@$(PY) -m keeper.devnet.compile

RUNS ?= 256
# The native binary: npm's launcher script ends with 0 whatever the tool ended with.
FORGE := node_modules/@foundry-rs/forge-*/bin/forge
.PHONY: thief slither policy
forge: $(READY) .cache/forge/Morpho.json ## the vault's contracts: forge's tests, and invariants over RUNS=256 times 500 calls (docs/vault.md)
	@FOUNDRY_INVARIANT_RUNS=$(RUNS) $(FORGE) test -j 2 $(TESTS)

# By a compiler of its own: forge has one.
.cache/forge/Morpho.json: $(READY) keeper/devnet/compile.py
	@mkdir -p .cache/forge
	@$(PY) -m keeper.devnet.compile Morpho >$@.part && mv $@.part $@

thief: $(READY) ## the thief's two searches against the vault: random plans, and climbing from the audit's (CALLS=20000 SEED=1)
	@CALLS=$(CALLS) SEED=$(SEED) $(FORGE) test -j 2 --match-contract 'Thief' --match-test 'random|climbing' -vv

policy: .venv/.ready ## what the shipped strategy asks of the vault's limits, from the decisions that make backtest wrote
	@$(PY) -m tests.tools.policy_figures backtest

slither: $(READY) .cache/slither/.ready ## Slither over the vault's contracts; fails where a finding has no answer in docs/slither.md
	@rm -rf .cache/slither/out .cache/slither/cache .cache/slither/findings.json
	@$(FORGE) build deploy/contracts/portfolio --build-info --out .cache/slither/out --cache-path .cache/slither/cache
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" .cache/slither/venv/bin/slither . --ignore-compile --foundry-out-directory .cache/slither/out \
	  --filter-paths 'node_modules|tests|devnet' --json .cache/slither/findings.json >.cache/slither/findings.txt 2>&1 || test -s .cache/slither/findings.json
	@$(PY) -m tests.tools.slither_page .cache/slither/findings.json

setup: $(READY) ## virtual environment and npm packages, from the lock files

clean: ## remove everything that can be made again
	@rm -rf .venv node_modules .cache .devnet dist

.venv/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: install it, or say where it is with PYTHON=/path/to/python3.11" >&2; exit 1; }
	@command -v gcc >/dev/null || { echo "gcc is missing: install it (Debian: apt-get install gcc)" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@echo "Installing Python packages from requirements.lock …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.peers: .venv/.ready requirements-peers.lock
	@echo "Installing the libraries compared with from requirements-peers.lock …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.lock
	@touch $@

.cache/slither/.ready: .venv/.ready requirements-slither.lock
	@echo "Installing Slither from requirements-slither.lock into an environment of its own …"
	@mkdir -p .cache/slither
	@test -x .cache/slither/venv/bin/python || $(PYTHON) -m venv .cache/slither/venv
	@.cache/slither/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-slither.lock
	@touch $@

node_modules/.ready: package-lock.json
	@command -v node >/dev/null || { echo "Node 20 is missing: install it (nodejs.org, or Debian: apt-get install nodejs npm)" >&2; exit 1; }
	@command -v npm >/dev/null || { echo "npm is missing: install it (it comes with Node 20)" >&2; exit 1; }
	@echo "Installing Anvil, solc and the protocols' packages from package-lock.json …"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
