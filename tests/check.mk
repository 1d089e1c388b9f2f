# SPDX-License-Identifier: BSD-3-Clause
# How kickcall is tested: the parts of `make check`, and `make conform` and `make bench`.

KICKCALL := $(BUILD)/kickcall
SAN      := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

JOBS     ?= $(shell nproc 2>/dev/null || echo 1)

# Everything is built first; then the parts share the processors (one more than there are, as some of them
# wait now and then), each part's output in one piece. Most end-to-end tests look at the clock (nothing may
# take for ever) and wait half of their time, so they have the machine to themselves, two to a processor.
.PHONY: check check-parts
check: need-all
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/tests/ref_server
	@$(MAKE) --no-print-directory -j$$(($(JOBS) + 1)) -Otarget check-parts
	@$(MAKE) --no-print-directory e2e-quick
	@echo 'make check: everything passed'

# Those first that take longest: coverage is a long row of steps, one after the other. (check-sanitizers runs
# all that unit does.)
check-parts: coverage check-valgrind-long check-valgrind e2e-long check-mutants scenarios

# What is missing is named; nothing is ever installed from here.
# `make deps check` in one go: first the one, then the other, with -j as well. (What is installed changes
# what the makefile finds, so check and conform build in a make of their own.)
.PHONY: need-build need-all need-peer
need-build need-all need-peer: $(filter deps,$(MAKECMDGOALS))
need-build:
	@tools/deps.sh --check build
need-peer:
	@tools/deps.sh --check build peer
need-all:
	@tools/deps.sh --check build test peer

.PHONY: units-built unit
units-built: $(UNITS)
unit: $(UNITS)
	@set -e; for t in $(UNITS); do tests/unit/run.sh $$(basename $$t) $$t; done

# The suite against the reference back-end: in the simulator, and live in a process of its own. All of it
# on blk, and a few of the rings' on the other devices, whose own check-valgrind has. `make scenarios RINGS=`
# has everything on all devices (six minutes).
DEVICES := blk loopback net rng scsi fs console vsock balloon
RINGS   := rings/basic

# Those with `needs long`, which no selection has: by their names.
LONG    := $(shell grep -lr '^needs.*\blong\b' scenarios)

.PHONY: scenarios scenarios-sim scenarios-live
scenarios: scenarios-sim scenarios-live

scenarios-sim scenarios-live: scenarios-%: $(KICKCALL)
	$(KICKCALL) conform --device blk --mode $*
	@set -e; for d in $(filter-out blk,$(DEVICES)); do \
		$(KICKCALL) conform --device $$d --mode $* $(if $(RINGS),--select $(RINGS)); \
	done

# $(call every-scenario,COMMAND,OPTIONS): on loopback all that are for any device, on the others their own;
# in the simulator, and live in a process of its own.
define every-scenario
	@set -e; for d in $(DEVICES); do for mode in sim live; do \
		echo "conform --device $$d --mode $$mode"; \
		$(1) conform --device $$d --mode $$mode $$([ $$d = loopback ] || echo --select $$d/) $(2); \
	done; done
endef

# $(call long,COMMAND,OPTIONS IN SIM,OPTIONS LIVE): those that no selection has.
define long
	$(1) run --device loopback --mode sim --timeout-scale 30 $(2) $(LONG)
	$(1) run --device loopback --mode live --timeout-scale 30 $(3) $(LONG)
endef

# Every call costs there, so this build has as much inlined as can be. (The other builds have the warnings.)
# The longest scenario takes minutes: one layout in the simulator, the other live, and the other way round
# with the sanitizers; check-long has all of it. What only length can show is memory that grows, or is used
# when it was given back; that every value is defined, the others show of the same code.
.PHONY: check-valgrind check-valgrind-long valgrind-built
VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full --trace-children=no
VALGRIND_LONG := $(VALGRIND) --undef-value-errors=no build/valgrind/kickcall
valgrind-built:
	@$(MAKE) --no-print-directory BUILD=build/valgrind WARN= \
		CFLAGS="-O3 -g1 $$(CC='$(CC)' AR='$(AR)' LINKER='$(LINKER)' tests/lto.sh)" all
check-valgrind: valgrind-built
	$(call every-scenario,$(VALGRIND) build/valgrind/kickcall,--timeout-scale 10)
check-valgrind-long: valgrind-built
	$(call long,$(VALGRIND_LONG),--variant layout=packed,--variant layout=split)

# Units, and every scenario. What was reached is counted meanwhile, for coverage.
.PHONY: check-sanitizers
SAN_MAKE = @$(MAKE) --no-print-directory BUILD=build/san CFLAGS='-O1 -g1 --coverage $(SAN)' \
	TEST_CFLAGS='-g1 -fsanitize=address -fno-omit-frame-pointer'
check-sanitizers:
	$(SAN_MAKE) all units-built
	@find build/san -name '*.gcda' -delete
	$(SAN_MAKE) unit
	$(call every-scenario,build/san/kickcall)
	$(call long,build/san/kickcall,--variant layout=split,--variant layout=packed)

.PHONY: check-mutants
check-mutants: $(KICKCALL)
	$(PYTHON) tests/mutants/run.py --build $(BUILD)

.PHONY: coverage
coverage: check-sanitizers
	BUILD=build/san tests/coverage.sh

.PHONY: e2e e2e-quick e2e-long
e2e: e2e-quick e2e-long
E2E = @BUILD=$(BUILD) $(PYTHON) -m pytest -q -p no:cacheprovider tests/e2e
e2e-quick: $(KICKCALL) $(BUILD)/tests/ref_server
	$(E2E) -m 'not long' -n $$((2 * $(JOBS)))
e2e-long: $(KICKCALL) $(BUILD)/tests/ref_server
	$(E2E) -m long

$(BUILD)/tests/ref_server: tests/e2e/ref_server.c $(LIB)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(KC_FLAGS) $(LINKER) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

# What check has no time for: every scenario on every device, and both layouts of the long ones under
# valgrind and the sanitizers, in the simulator and live. For a change that reaches far, and before a release.
.PHONY: check-long long-parts long-valgrind long-sanitizers long-scenarios
check-long: need-all
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory -j$(JOBS) -Otarget long-parts
	@echo 'make check-long: everything passed'
long-parts: long-valgrind long-sanitizers long-scenarios

long-valgrind: valgrind-built
	$(call long,$(VALGRIND_LONG))
long-sanitizers:
	$(SAN_MAKE) all
	$(call long,build/san/kickcall)
long-scenarios:
	@$(MAKE) --no-print-directory scenarios RINGS=
	@set -e; for d in $(DEVICES); do $(KICKCALL) run --device $$d --timeout-scale 10 $(LONG); done

# Not a test of kickcall: what a user of the suite sees. Fails if the reference fails, or if the peer
# fails anything that profiles/qemu-storage-daemon.known does not list.
.PHONY: conform
conform: need-peer
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@echo '== blk, the built-in reference back-end'
	@$(KICKCALL) conform --device blk
	@echo
	@echo '== blk, qemu-storage-daemon over vhost-user'
	@$(KICKCALL) conform --device blk --profile qemu-storage-daemon

.PHONY: bench
bench: $(BENCHES) $(KICKCALL)
	$(PYTHON) bench/run.py --build $(BUILD)
