# zrpc: see README.md. `make help` lists the targets.

VERSION   := 0.1.0
SOVERSION := 0
PREFIX    ?= /usr/local
DESTDIR   ?=
BUILD     ?= build
CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
OPT       ?= -O2 -g
SANITIZE  ?=
WARNINGS  := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla
CFLAGS    ?=
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DZRPC_VERSION='"$(VERSION)"' -fPIC -pthread $(OPT) $(WARNINGS) $(SANITIZE) \
             -Iimpl/include -Iimpl -I. -I$(BUILD)/gen $(CFLAGS)
LIBS      := -lprotobuf-c -lnghttp2 -lssl -lcrypto -lyaml -ljansson
ALL_LDFLAGS = -pthread $(SANITIZE) $(LDFLAGS)

ifeq (,$(filter -j%,$(MAKEFLAGS)))
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules
V ?= 0
Q  = $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s%s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))')

# What is built: a library per top-level folder; a program NAME per folder */cmd/NAME; a test program per
# *_test.c. Protocol buffers are generated.
objects   = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %_test.c,$(wildcard $(1))))
PROTO    := $(wildcard proto/*.proto)
GEN_C    := $(PROTO:proto/%.proto=$(BUILD)/gen/%.pb-c.c)
GEN_H    := $(GEN_C:.c=.h)
LIB_OBJ  := $(GEN_C:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o) $(filter-out $(BUILD)/obj/impl/testing/%,$(call objects,impl/*/*.c))
SIM_OBJ  := $(call objects,sim/*/*.c)
CONF_OBJ := $(call objects,conformance/*.c conformance/cases/*.c)
EVAL_OBJ := $(call objects,wireevaluator/*.c)
TESTING  := $(BUILD)/libzrpc-testing.a
LIB_A    := $(BUILD)/libzrpc.a
LIB_SO   := $(BUILD)/libzrpc.so.$(VERSION)
ARCHIVES := $(if $(EVAL_OBJ),$(BUILD)/libzrpc-wireevaluator.a) $(if $(CONF_OBJ),$(BUILD)/libzrpc-conformance.a) \
            $(if $(SIM_OBJ),$(BUILD)/libzrpc-sim.a) $(LIB_A)
PROG_DIR := $(wildcard */cmd/*)
PROGRAMS := $(addprefix $(BUILD)/bin/,$(notdir $(PROG_DIR)))
TEST_C   := $(wildcard impl/*/*_test.c impl/cmd/*/*_test.c sim/*/*_test.c sim/cmd/*/*_test.c conformance/*_test.c \
                       conformance/cases/*_test.c wireevaluator/*_test.c)
TESTS    := $(TEST_C:%.c=$(BUILD)/test/%)

.PHONY: all help tests test conformance memcheck asan tsan lint format install clean setup
.DEFAULT_GOAL := all

all: $(LIB_A) $(LIB_SO) $(PROGRAMS)

help:
	@sed -n 's/^#: //p' Makefile

#: make               build the libraries and the tools into build/
#: make test          run all tests
#: make conformance   run the conformance suite against the reference server
#: make memcheck      run the tests under valgrind
#: make asan, tsan    run the tests under the sanitizers
#: make lint, format  check or apply the code's form
#: make install       install below $(DESTDIR)$(PREFIX)
#: make clean         remove build/
#: variables: V=1 shows commands; CC, CFLAGS, OPT, BUILD, DESTDIR, PREFIX

# Set-up runs once for each version of the script, before anything is compiled.
$(BUILD)/.setup: scripts/setup
	$(Q)./scripts/setup
	$(Q)mkdir -p $(@D) && touch $@

setup:
	$(Q)./scripts/setup

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: proto/%.proto | $(BUILD)/.setup
	$(call say,PROTOC,$<)
	$(Q)mkdir -p $(BUILD)/gen && protoc-c --c_out=$(BUILD)/gen -Iproto -I/usr/include $<

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c | $(GEN_H) $(BUILD)/.setup
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_A): $(LIB_OBJ)
$(BUILD)/libzrpc-sim.a: $(SIM_OBJ)
$(BUILD)/libzrpc-conformance.a: $(CONF_OBJ)
$(BUILD)/libzrpc-wireevaluator.a: $(EVAL_OBJ)
$(TESTING): $(call objects,impl/testing/*.c)
$(BUILD)/%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(LIB_SO): $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libzrpc.so.$(SOVERSION) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
	$(Q)ln -sf $(@F) $(BUILD)/libzrpc.so.$(SOVERSION) && ln -sf $(@F) $(BUILD)/libzrpc.so

define program
$(BUILD)/bin/$(notdir $(1)): $(call objects,$(1)/*.c) $(ARCHIVES)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS)
endef
$(foreach dir,$(PROG_DIR),$(eval $(call program,$(dir))))

# A test beside a program's sources links the program's objects, but not its main.
$(BUILD)/test/%: $(BUILD)/obj/%.o $(TESTING) $(ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -o $@ $< \
	    $(filter-out %/main.o,$(if $(findstring /cmd/,$<),$(call objects,$(dir $*)*.c))) \
	    $(TESTING) $(ARCHIVES) -lcunit $(LIBS)
define program_test
$(BUILD)/test/$(basename $(1)): $(filter-out %/main.o,$(call objects,$(dir $(1))*.c))
endef
$(foreach test,$(filter %_test.c,$(foreach dir,$(PROG_DIR),$(wildcard $(dir)/*_test.c))),$(eval $(call program_test,$(test))))

tests: $(TESTS)

test: all tests
	$(Q)BUILD=$(BUILD) ./scripts/run-tests $(TESTS)

memcheck: all tests
	$(Q)BUILD=$(BUILD) ./scripts/run-tests --memcheck $(TESTS)

asan:
	$(Q)$(MAKE) BUILD=$(BUILD)/asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all' OPT='-O1 -g' test

tsan:
	$(Q)$(MAKE) BUILD=$(BUILD)/tsan SANITIZE=-fsanitize=thread OPT='-O1 -g' test

conformance: all
	$(Q)BUILD=$(BUILD) ./scripts/run-conformance

clean:
	$(Q)rm -rf $(BUILD)

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
