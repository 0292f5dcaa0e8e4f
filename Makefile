# SPDX-License-Identifier: Apache-2.0
#
# Short names for everyday commands; the work is done by meson and by scripts that can be called
# without make. VERBOSE=1 shows every command; JOBS=2 limits how many run at once.

BUILD ?= build
JOBS ?= $(shell nproc)
SCENE ?=
MESON_ARGS ?= --prefix=/usr

Q := $(if $(VERBOSE),,@)
NINJA := ninja -C $(BUILD) -j $(JOBS) $(if $(VERBOSE),-v,--quiet)

export VERBOSE BUILD JOBS

.PHONY: all
all: $(BUILD)/build.ninja ## build everything into ./build (default)
	$(Q)$(NINJA)
	$(Q)ui/tools/make --if-possible

.PHONY: ui
ui: ## build the web interface into ui/dist
	$(Q)tools/deps ui
	$(Q)ui/tools/make

.PHONY: browser
browser: all ## the web interface in Chromium, against a fleet, and against an agent in a virtual machine
	$(Q)tests/run browser

.PHONY: screenshots
screenshots: all ## the pictures in docs/images, of a server and an agent in a virtual machine
	$(Q)tests/browser/run pictures

# After a change of the API: the types of its answers, as the server describes them.
.PHONY: ui-types
ui-types: all
	$(Q)$(BUILD)/src/server/safeguard-server --generate openapi | node ui/tools/types.mjs

# What is missing is installed before the first configuration; after that only ninja runs.
$(BUILD)/build.ninja:
	$(Q)tools/deps build
	$(Q)said=$$(meson setup $(BUILD) $(MESON_ARGS) -Dtests=false 2>&1) || { echo "$$said"; exit 1; }

.PHONY: run
run: all ## start it and show it at work; SCENE=name picks the scene
	$(Q)tools/run $(SCENE)

.PHONY: test
test: ## every test; ends with "N passed, N failed"
	$(Q)tests/run

.PHONY: unit
unit: ## the unit tests, under ASan and UBSan; TEST='base-json' picks some
	$(Q)tests/run unit

.PHONY: lint
lint: ## the rules of the house that a machine can check
	$(Q)tests/run lint

.PHONY: fuzz
fuzz: ## one minute for each fuzzer; FUZZ_SECONDS=600 for longer
	$(Q)tests/run fuzz

.PHONY: vm
vm: ## the cases that need a kernel, in virtual machines; MORE=1: on more kernels, and what takes long, too
	$(Q)tests/run vm

.PHONY: tidy
tidy: ## clang-tidy over all of src
	$(Q)tests/lint/tidy

.PHONY: format
format: ## lay out all C sources as .clang-format says
	$(Q)tests/lint/format

.PHONY: bench
bench: all ## measure what it costs; BENCH='--kernel 6.12 --only auditd' measures some of it
	$(Q)tests/bench/run $(BENCH)

.PHONY: shell-vm
shell-vm: all ## a shell in a virtual machine with a test kernel
	$(Q)tools/vm shell

.PHONY: install
install: all ## install; DESTDIR=/somewhere for packages
	$(Q)DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild $(if $(VERBOSE),,--quiet)

.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf $(BUILD) build-asan build-fuzz build-tidy ui/dist

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
