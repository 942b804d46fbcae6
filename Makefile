# Every target that needs the environment makes it first: on a fresh machine `make chapter3` is one command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HAS_GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo yes)
PROFILE ?= $(if $(HAS_GPU),paper,cpu)
comma := ,
EXTRAS := dev$(if $(HAS_GPU),$(comma)gpu)

# Local copies of the public data sets are used where they lie beside the checkout.
ifneq ($(wildcard ../shared/data),)
export MATERIALS_DL_MIRROR ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := help
.PHONY: help setup chapter3 chapter4 chapter5 chapter6 chapter7 leaderboard matbench weights test test-oldest promises lint bench docs report clean

## help: explain every target
help:
	@echo "materials-dl: make TARGET [PROFILE=smoke|cpu|paper] [PYTHON=python3.12]"
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | awk '{at = index($$0, ": "); printf "  %-12s %s\n", substr($$0, 1, at - 1), substr($$0, at + 2)}'

## setup: make .venv and install the package with its test and lint tools
setup: $(VENV)/.installed

$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is another. Try: make setup PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

## chapter3: train ElemNet, screen compositions; tables and figures in results/chapter3 (cpu: about an hour on 2 cores)
chapter3: setup
	$(BIN)/python -m experiments.chapter3 --profile $(PROFILE)

## chapter4: train Plain, SRNet, IRNet and SIPFENN, make their tables and figures in results/chapter4 (cpu: under an hour)
chapter4: setup
	$(BIN)/python -m experiments.chapter4 --profile $(PROFILE)

## chapter5: transfer ElemNet from OQMD to JARVIS, Materials Project and experiment; results/chapter5 (cpu: under an hour)
chapter5: setup
	$(BIN)/python -m experiments.chapter5 --profile $(PROFILE)

## chapter6: simulate EBSD patterns of nickel, index them by dictionary and network; results/chapter6 (cpu: under an hour)
chapter6: setup
	$(BIN)/python -m experiments.chapter6 --profile $(PROFILE)

## chapter7: phase regions from X-ray images, with controls; tables and figures in results/chapter7 (cpu: under an hour)
chapter7: setup
	$(BIN)/python -m experiments.chapter7 --profile $(PROFILE)

## leaderboard: predict the JARVIS-Leaderboard's split of experimental enthalpies; submission in results/chapter5/leaderboard
leaderboard: setup
	$(BIN)/python -m experiments.chapter5 --profile $(PROFILE) leaderboard

## matbench: ElemNet and IRNet on three tasks of Matbench, in its folds; results/matbench
matbench: setup
	$(BIN)/python -m experiments.matbench --profile $(PROFILE)

## weights: train the shipped weights anew: ElemNet (about an hour on 2 cores), IRNet (minutes), OMNet (twice 45 minutes)
weights: setup
	$(BIN)/elemnet train --data oqmd_subset --recipe fast --output runs/shipped --export elemnet/weights/elemnet_oqmd.keras
	$(BIN)/irnet train --variant irnet_10 --data mp_structures --inputs S+C --recipe small --epochs 60 \
	  --output runs/irnet_10_shipped --export irnet/weights/irnet_10.keras
	$(BIN)/omnet train --recipe fast --output runs/omnet_small_ni --export omnet/weights/omnet_small_ni.keras
	$(BIN)/omnet train --recipe measured --output runs/omnet_measured_ni --export omnet/weights/omnet_measured_ni.keras
	$(BIN)/python -m experiments.intervals

## test: run all tests, offline, without a GPU, on all cores (under 20 minutes on 2)
test: setup
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

## test-oldest: all tests with the oldest versions supported, in .venv-oldest (Python 3.11)
test-oldest:
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints/oldest.txt \
	  --editable '.[test]'
	.venv-oldest/bin/python -m pytest --numprocesses auto --dist loadfile

## promises: break the suite on purpose; which promise survived how many faults, in README and docs (minutes)
promises: setup
	$(BIN)/python -m pytest tests/promises --numprocesses auto --dist loadfile --promises results/promises.json
	$(BIN)/python -m common.report

## lint: style, types, the import contract, and the README table against the results
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg
	$(BIN)/python -m common.report --check

## bench: speed and memory beside the peers, each pair in one process on the same input
bench: setup
	$(BIN)/python -m benchmarks

## report: write results/*/report.md and the README's results table from the result files
report: setup
	$(BIN)/python -m common.report

## docs: build the documentation in build/site; a warning is an error
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

## clean: remove what the tools leave behind; results, runs and .venv stay
clean:
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -not -path './.venv*/*' -prune -exec rm -rf {} +
