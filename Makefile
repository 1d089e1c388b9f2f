# SPDX-License-Identifier: BSD-3-Clause
# kickcall: `make help` lists the targets.

BUILD    ?= build
CC       ?= cc
CFLAGS   ?= -O2 -g
PYTHON   ?= /usr/bin/python3
WARN     := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla
KC_FLAGS := -std=gnu11 -D_GNU_SOURCE -Iinclude -I. -I$(BUILD) -MMD -MP $(WARN)
LIBS     := -ljansson $(CORO_LIBS) -lpthread

# Boost.Context when the linker finds it, else ucontext; CORO=ucontext forces the latter.
CORO     ?= $(shell echo 'void *make_fcontext(void *, unsigned long, void (*)(void)); int main(void) { return !make_fcontext(0, 0, 0); }' | $(CC) -xc - -o /dev/null -lboost_context 2>/dev/null && echo boost || echo ucontext)
ifeq ($(CORO),boost)
KC_FLAGS += -DKC_CORO_BOOST
CORO_LIBS := -lboost_context
endif

LIB_SRC  := $(wildcard common/*.c sim/*.c guest_model/*.c backend/*.c backend/reference/*.c \
	harness/*.c harness/oracle/*.c coverage/*.c)
LIB_SRC  := $(filter-out harness/main.c,$(LIB_SRC))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o) $(BUILD)/coverage/clauses_data.o
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)

all: $(BUILD)/kickcall

$(BUILD)/kickcall: $(BUILD)/harness/main.o $(BUILD)/libkickcall.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libkickcall.a: $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(KC_FLAGS) -c -o $@ $<

$(BUILD)/coverage/clauses_data.c: coverage/clauses.tsv coverage/compile.py
	@mkdir -p $(@D)
	$(PYTHON) coverage/compile.py $< $@

$(BUILD)/coverage/clauses_data.o: $(BUILD)/coverage/clauses_data.c
	$(CC) $(CFLAGS) $(KC_FLAGS) -c -o $@ $<

$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/libkickcall.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(KC_FLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libkickcall.a $(LIBS) -lcmocka

unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do echo "$$t"; $$t || exit 1; done

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: all unit clean
