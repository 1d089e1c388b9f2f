# SPDX-License-Identifier: BSD-3-Clause
# kickcall. `make help` lists the targets.

BUILD    ?= build
CC       ?= cc
CFLAGS   ?= -O2 -g
V        ?= 0
Q        := $(if $(filter 1,$(V)),,@)
say       = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) '$(2)')

# The first interpreter that has pytest and its xdist; without one, any (the build needs neither).
PYTHON   ?= $(shell for p in /usr/bin/python3 python3; do $$p -c 'import xdist' 2>/dev/null && \
	echo $$p && exit; done; echo python3)

WARN     := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla
KC_FLAGS := -std=gnu11 -D_GNU_SOURCE -Iinclude -I. -MMD -MP $(WARN)
LIBS     := -ljansson -lpthread

# Hundreds of test programs are linked, so a fast linker if there is one. `make LINKER=` takes the
# compiler's own.
ifndef LINKER
LINKER   := $(shell for l in gold lld mold; do echo 'int main(void) { return 0; }' | \
	$(CC) -fuse-ld=$$l -xc - -o /dev/null 2>/dev/null && echo -fuse-ld=$$l && break; done)
endif

# Coroutines: Boost.Context when the linker finds it, else ucontext. CORO=ucontext forces the latter.
CORO     ?= $(shell echo 'void *make_fcontext(void *, unsigned long, void (*)(void)); \
	int main(void) { return !make_fcontext(0, 0, 0); }' | \
	$(CC) -xc - -o /dev/null -lboost_context 2>/dev/null && echo boost || echo ucontext)
ifeq ($(CORO),boost)
KC_FLAGS += -DKC_CORO_BOOST
LIBS     += -lboost_context
endif

LIB_SRC  := $(filter-out harness/main.c,$(wildcard common/*.c sim/*.c guest_model/*.c backend/*.c \
	backend/reference/*.c harness/*.c harness/*/*.c coverage/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o) $(BUILD)/coverage/clauses_data.o
LIB      := $(BUILD)/libkickcall.a
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
BENCHES  := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))

.PHONY: all
all: $(BUILD)/kickcall

$(BUILD)/kickcall: $(BUILD)/harness/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LINKER) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIB): $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(KC_FLAGS) -c -o $@ $<

$(BUILD)/coverage/clauses_data.c: coverage/clauses.tsv coverage/waivers.tsv coverage/compile.py
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && $(PYTHON) coverage/compile.py coverage/clauses.tsv coverage/waivers.tsv $@

$(BUILD)/coverage/clauses_data.o: $(BUILD)/coverage/clauses_data.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(KC_FLAGS) -c -o $@ $<

# A unit test runs for less time than it takes to optimize, or to instrument for coverage.
TEST_CFLAGS ?= $(CFLAGS)
$(BUILD)/tests/%: tests/unit/%.c $(LIB)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(TEST_CFLAGS) -O0 -U_FORTIFY_SOURCE $(KC_FLAGS) -MT $@ -c -o $@.o $<
	$(Q)$(CC) $(CFLAGS) $(LINKER) $(LDFLAGS) -o $@ $@.o $(LIB) $(LIBS) -lcmocka

$(BUILD)/bench/%: bench/%.c $(LIB)
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(KC_FLAGS) $(LINKER) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

include tests/check.mk

.PHONY: deps clean help
deps:
	@tools/deps.sh

clean:
	rm -rf build

help:
	@echo 'make              build $(BUILD)/kickcall'
	@echo 'make deps         install what is missing (root), or print the line that would'
	@echo 'make conform      the blk suite: reference back-end, then qemu-storage-daemon'
	@echo 'make check        all tests: what continuous integration runs'
	@echo 'make check-long   what check has no time for: a quarter of an hour'
	@echo 'make bench        measure; writes $(BUILD)/bench.json'
	@echo 'make unit | scenarios | e2e | check-valgrind | check-sanitizers | check-mutants | coverage'
	@echo '                  the parts of check, one at a time'
	@echo 'make clean'
