# Aistratus. `make help` lists what there is.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python

# What a person may set, on the command line or in the environment.
MODEL ?= standin
VARIANT ?= tinyllama
APP_PORT ?= 8550
GATEWAY_PORT ?= 8551
ISSUER_PORT ?= 8552
EMULATOR_PORT ?= 8553
export MODEL APP_PORT GATEWAY_PORT ISSUER_PORT EMULATOR_PORT

# Without bytecode every start compiles anew; it stays in .venv and in folders that git ignores.
unexport PYTHONDONTWRITEBYTECODE

# What stands on make's command line, for the check of it: targets, and names of variables.
export MAKE_GOALS := $(if $(filter 0,$(MAKELEVEL)),$(MAKECMDGOALS))
export MAKE_GIVEN := $(if $(filter 0,$(MAKELEVEL)),$(foreach name,$(.VARIABLES),$(if \
	$(filter command,$(firstword $(origin $(name)))),$(name))))

# Values go through the environment, as they are: neither make nor the shell reads them.
override export PROMPT := $(value PROMPT)
override export EMAIL := $(value EMAIL)
override export VERSION := $(value VERSION)
override export PROCESSOR := $(value PROCESSOR)
override export ARCH := $(value ARCH)
override export VARIANT := $(value VARIANT)
override export WHERE := $(value WHERE)
override export REGION := $(value REGION)
override export IMAGE_ID := $(value IMAGE_ID)
override export LOCK := $(value LOCK)
override export GITHUB_REPOSITORY := $(value GITHUB_REPOSITORY)
override export YES := $(value YES)
override export AGAIN := $(value AGAIN)
override export UPGRADE := $(value UPGRADE)
override export ENV := $(value ENV)

# Each target is checked before anything is installed: its words, its variables, its programs.
# Then what it needs is installed, if it is not there yet.
READY = tools/setup ready $@

# A command of `aistratus`, with these arguments. -S: its first line comes before all imports; until
# then standard error is 3, so that Ctrl-C shows no traceback of Python's own start.
aistratus = @set -- $(1) && $(READY) -- "$$@" && AISTRATUS_STDERR=3 \
	exec $(PY) -SP operator/src/aistratus_operator/__main__.py $@ "$$@" 3>&2 2>/dev/null

##@ Use

.PHONY: demo
demo: ## The whole system on this machine, and the app in the browser (MODEL=tinyllama: real weights)
	$(call aistratus)

.PHONY: ask
ask: ## One question: make ask PROMPT="What is Aistratus?" (ENV=dev: of what is deployed)
	$(call aistratus,--where="$$WHERE" -- "$$PROMPT")

.PHONY: token
token: ## An access token of the running demo, valid for an hour, for curl and scripts
	$(call aistratus)

.PHONY: interrupt
interrupt: ## Takes the running demo's instance away, as Spot does: answers go on on the next one
	$(call aistratus)

.PHONY: redrive
redrive: ## The demo's dead letters, or with ENV=dev a deployment's: ARGS="--job ID", "--all", "--json"
	$(call aistratus,--where="$$WHERE" --region="$$REGION" $(ARGS))

##@ On AWS

.PHONY: deploy
deploy: ## The whole system on AWS: make deploy ENV=dev (REGION=…, IMAGE_ID=…, ARGS="--json")
	$(call aistratus,--region="$$REGION" --image-id="$$IMAGE_ID" $(ARGS))

.PHONY: plan
plan: ## What a deploy would change: make plan ENV=dev
	$(call aistratus,--region="$$REGION" --image-id="$$IMAGE_ID" $(ARGS))

.PHONY: drift
drift: ## Whether what is there is what is written here: make drift ENV=dev (ARGS="--json")
	$(call aistratus,--region="$$REGION" --image-id="$$IMAGE_ID" $(ARGS))

.PHONY: destroy
destroy: ## Removes it all: make destroy ENV=dev (YES=1: without a question)
	$(call aistratus,--region="$$REGION" $(if $(YES),--yes))

.PHONY: outputs
outputs: ## Addresses and names of what is deployed: make outputs ENV=dev (ARGS="--json")
	$(call aistratus,--region="$$REGION" $(ARGS))

.PHONY: user
user: ## Somebody who may sign in, and gets a mail: make user ENV=dev EMAIL=… (AGAIN=1: once more)
	$(call aistratus,--region="$$REGION" --email="$$EMAIL" $(if $(AGAIN),--again))

.PHONY: fleet
fleet: ## Whether a GPU is on, and what for: make fleet ENV=dev (ARGS="--json")
	$(call aistratus,--region="$$REGION" $(ARGS))

.PHONY: doctor
doctor: ## What is wrong with the account or the deployment: make doctor ENV=dev (ARGS="--json")
	$(call aistratus,--region="$$REGION" --image-id="$$IMAGE_ID" $(ARGS))

.PHONY: smoke
smoke: ## Deploys, asks, takes the instance away, removes it all: make smoke ENV=dev (YES=1)
	$(call aistratus,--region="$$REGION" --image-id="$$IMAGE_ID" $(if $(YES),--yes) $(ARGS))

.PHONY: start
start: ## Turns the GPU on before the first prompt: make start ENV=dev
	$(call aistratus,--region="$$REGION" $(ARGS))

.PHONY: stop
stop: ## Turns the GPU off now; what it was at goes on with the next prompt: make stop ENV=dev
	$(call aistratus,--region="$$REGION" $(ARGS))

.PHONY: shell
shell: ## A shell on the instance that is on, without an open port: make shell ENV=dev
	$(call aistratus,--region="$$REGION")

.PHONY: app
app: ## The chat for your browser, with what is deployed, at http://localhost:8571
	$(call aistratus)

.PHONY: bootstrap
bootstrap: ## The state bucket, and roles for workflows (GITHUB_REPOSITORY=owner/name)
	$(call aistratus,--region="$$REGION" \
		$(if $(GITHUB_REPOSITORY),--github-repository="$$GITHUB_REPOSITORY") $(ARGS))

.PHONY: image
image: ## Bakes the worker's image with Packer (VARIANT=tinyllama, REGION=…, ARGS="-var …")
	$(call aistratus,--variant="$$VARIANT" --region="$$REGION" -- $(ARGS))

.PHONY: publish-image
publish-image: ## Makes the last image, or IMAGE_ID, the one that deploys take elsewhere
	$(call aistratus,--region="$$REGION" --image-id="$$IMAGE_ID")

.PHONY: prune-images
prune-images: ## Removes old images and their snapshots, after a question (ARGS="--dry-run", YES=1)
	$(call aistratus,--variant="$$VARIANT" --region="$$REGION" $(if $(YES),--yes) $(ARGS))

.PHONY: unlock
unlock: ## Says who holds a state, and frees it from a dead run: make unlock ENV=dev (LOCK=…)
	$(call aistratus,--region="$$REGION" --lock="$$LOCK")

##@ Work on it

.PHONY: setup
setup: ## Everything for work on the code, into .venv
	@tools/setup check $@ && tools/setup setup dev

.PHONY: test
test: ## Every check and every test, side by side (ARGS="-k fence": some, one after another)
	@$(READY) -- $(ARGS)
	@tools/setup checks
	@tools/setup debian
	@$(MAKE) lint
	$(PY) -m pytest $(if $(ARGS),$(ARGS),-n auto --durations=40)

.PHONY: test-long
test-long: ## What takes hours: simulation, soak, hostile users; llama.cpp for a card, without one
	@$(READY)
	AISTRATUS_SIMULATION_EXAMPLES=500 $(PY) -m pytest --timeout=3000 tests/daemon/test_simulation.py
	@$(MAKE) soak ARGS="--seconds 1200"
	@$(MAKE) attack
	@$(MAKE) cuda-wheel ARCH=sm_90
	$(PY) -m pytest --timeout=1200 tests/tools/without_a_card.py

.PHONY: lint
lint: ## ruff and mypy --strict
	@$(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

.PHONY: format
format: ## Formats the code, and fixes what ruff can fix
	@$(READY)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: openapi
openapi: ## Writes docs/openapi.json from the router's code
	@$(READY)
	$(PY) -m aistratus_router.api docs/openapi.json

.PHONY: role-pages
role-pages: ## Writes each role's README from its specification
	@$(READY)
	PYTHONPATH=tools $(PY) -m role_pages

.PHONY: cost
cost: ## Computes docs/cost.md and its picture from the price file and Terraform
	@$(READY)
	PYTHONPATH=tools $(PY) -m cost_sheet

.PHONY: terraform-pages
terraform-pages: ## Writes each Terraform module's README from its variables and outputs
	@$(READY)
	PYTHONPATH=tools $(PY) -m terraform_pages

.PHONY: router.zip
router.zip: ## Packs the router for Lambda, into dist
	@$(READY)
	$(PY) router/build_zip.py

.PHONY: release-notes
release-notes: ## The changelog's section of a version, into dist (VERSION=v1.2.3)
	@$(READY)
	@PYTHONPATH=tools $(PY) -m release_notes

.PHONY: native-wheel
native-wheel: ## Compiles a wheel of llama.cpp for releases, into dist (PROCESSOR=x86-64-v3, …)
	@tools/setup check $@ && tools/setup native-wheel

.PHONY: cuda-wheel
cuda-wheel: ## Compiles llama.cpp for a kind of NVIDIA card, without one, into dist (ARCH=sm_90)
	@tools/setup check $@ && tools/setup cuda-wheel

.PHONY: pin-wheels
pin-wheels: ## Makes a release's wheels those that make demo takes (VERSION=v1.2.3)
	@tools/setup check $@ && tools/setup pin-wheels

.PHONY: picture
picture: ## Films README's moving picture from the running demo, with Chromium
	@$(READY)
	PYTHONPATH=tests:tools $(PY) -m moving_picture $(ARGS)

.PHONY: bench
bench: ## Measures the router, the way of a token through all parts, and the engine (an hour)
	@$(READY) -- $(ARGS)
	$(PY) router/bench.py
	$(PY) -m aistratus_local.latency
	@$(MAKE) bench-engine

.PHONY: bench-engine
bench-engine: ## Measures the engine beside others (ARGS="--quick --output build/bench": a smoke test)
	@$(READY) -- $(ARGS)
	PYTHONPATH=bench $(PY) -m engine_bench $(ARGS)

.PHONY: bench-gpu-kit
bench-gpu-kit: ## What bench-gpu needs on a machine without a network, into build/gpu-kit (ARCH=sm_90)
	@tools/setup check $@ -- $(ARGS) && tools/setup bench-gpu-kit -- $(ARGS)

.PHONY: bench-gpu
bench-gpu: ## Measures the engine on this machine's card, with that kit; needs no network (8 minutes)
	@tools/setup check $@ -- $(ARGS)
	@PYTHONPATH=bench $(or $(wildcard $(PY)),python3) -m gpu_bench $(ARGS)

.PHONY: soak
soak: ## Attacks the system and proves that it holds (ARGS="--jobs 50 --kills 10 --seconds 60")
	@$(READY) -- $(ARGS)
	PYTHONPATH=tests $(PY) -m system.faults.soak $(ARGS)

.PHONY: attack
attack: ## One user against all others, and what a quiet one feels (ARGS="--only grammar", "--list")
	@$(READY) -- $(ARGS)
	PYTHONPATH=tests $(PY) -m system.hostile $(ARGS)

.PHONY: bench-boot
bench-boot: ## Measures a unit's start to READY on a booted systemd, as root (ARGS="--rounds 3")
	@$(READY) -- $(ARGS)
	PYTHONPATH=bench:tools $(PY) -m boot_bench $(ARGS)

.PHONY: standin
standin: ## Trains the stand-in model again (half an hour; PyTorch goes into build/standin)
	@$(READY) -- $(ARGS)
	@test -x build/standin/bin/python || .venv/bin/python -m venv build/standin
	build/standin/bin/python -m pip install -q -r local/standin/recipe/requirements.txt
	PYTHONPATH=local/standin/recipe build/standin/bin/python -m standin_recipe $(ARGS)

.PHONY: lock
lock: ## Compiles requirements/*.txt from the pyproject.toml files (UPGRADE=1: to the newest)
	@tools/setup check $@
	@test -x .venv/bin/uv || tools/setup setup dev
	@tools/setup lock
	@tools/setup setup dev

.PHONY: clean
clean: ## Removes .venv and all that was made here; keeps the caches in your home
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ About

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z.-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile
