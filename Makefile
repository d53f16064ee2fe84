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
CPPFLAGS  += -D_GNU_SOURCE -DZRPC_VERSION='"$(VERSION)"' -Iimpl/include -Iimpl -I. -I$(BUILD)/gen
ALL_CFLAGS = -std=c17 -fPIC -pthread $(OPT) $(WARNINGS) $(SANITIZE) $(CPPFLAGS) $(CFLAGS)
LIBS      := -lz -lprotobuf-c -lnghttp2 -lssl -lcrypto -lyaml -ljansson -lsqlite3 -lm
ALL_LDFLAGS = -pthread -Wl,--as-needed $(SANITIZE) $(LDFLAGS)
# how scripts/run-tests runs the test programs
TEST_MODE ?=

# as many jobs as processors, unless -j says otherwise; a make inside make shares those of the outer one
ifeq (0,$(MAKELEVEL))
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
V ?= 0
Q  = $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V))$(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS)))),,@printf '  %-8s%s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))')

# What is built: a library per top-level folder; a program NAME per folder */cmd/NAME; a test program per
# *_test.c. Protocol buffers are generated.
objects   = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %_test.c,$(wildcard $(1))))
PROTO    := $(wildcard proto/*.proto)
GEN_C    := $(PROTO:proto/%.proto=$(BUILD)/gen/%.pb-c.c)
PAGE     := $(wildcard conformance/html/*)
GEN_H    := $(GEN_C:.c=.h) $(BUILD)/gen/requirements.inc $(PAGE:conformance/%=$(BUILD)/gen/%.inc)
LIB_OBJ  := $(GEN_C:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o) \
            $(filter-out $(BUILD)/obj/impl/testing/% $(BUILD)/obj/impl/cli/%,$(call objects,impl/*/*.c))
CLI_OBJ  := $(call objects,impl/cli/*.c)
SIM_OBJ  := $(call objects,sim/*/*.c)
CONF_OBJ := $(call objects,conformance/*.c conformance/cases/*.c conformance/mutants/*.c)
EVAL_OBJ := $(call objects,wireevaluator/*.c wireevaluator/cases/*.c wireevaluator/defects/*.c)
TESTING  := $(BUILD)/libzrpc-testing.a
LIB_A    := $(BUILD)/libzrpc.a
LIB_SO   := $(BUILD)/libzrpc.so.$(VERSION)
ARCHIVES := $(BUILD)/libzrpc-cli.a $(if $(EVAL_OBJ),$(BUILD)/libzrpc-wireevaluator.a) $(if $(CONF_OBJ),$(BUILD)/libzrpc-conformance.a) \
            $(if $(SIM_OBJ),$(BUILD)/libzrpc-sim.a) $(LIB_A)
PROG_DIR := $(wildcard */cmd/*)
PROGRAMS := $(addprefix $(BUILD)/bin/,$(notdir $(PROG_DIR)))
TEST_C   := $(wildcard impl/*/*_test.c impl/cmd/*/*_test.c sim/*/*_test.c sim/cmd/*/*_test.c conformance/*_test.c \
                       conformance/cases/*_test.c conformance/cmd/*/*_test.c wireevaluator/*_test.c)
TESTS    := $(TEST_C:%.c=$(BUILD)/test/%)
SCRIPT_TESTS := $(wildcard scripts/*_test)
SOURCES  := $(sort $(foreach dir,impl sim conformance wireevaluator,$(wildcard $(addprefix $(dir)/,*.[ch] */*.[ch] */*/*.[ch]))))

.PHONY: all help tests test soak fasttest conformance conformance-transports conformance-transports-quick certify memcheck asan asan-build tsan fuzz run-fuzzers lint format install staged clean setup
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

all: $(LIB_A) $(LIB_SO) $(PROGRAMS)

help:
	@sed -n 's/^#: //p' Makefile

#: make               build the libraries and the tools into build/
#: make test          run all tests
#: make conformance   run the conformance suite against the reference server
#: make conformance-transports   the same over tls, ssh and local (-quick: without what waits)
#: make fasttest      run all that waits, conformance suite included, with time 20 times as fast
#: make soak          replicate RUNS (200) times over a link that breaks by chance, from seed SEED (1) on
#: make certify       certify tcp, tls, local and ssh, each case 20 times (REPEAT)
#: make memcheck      run the tests under valgrind
#: make asan, tsan    run the tests under the sanitizers
#: make fuzz          fuzz the state machines with clang's libFuzzer, FUZZ_SECONDS (30) each
#: make lint, format  check or apply the code's form
#: make install       install below $(DESTDIR)$(PREFIX)
#: make clean         remove build/
#: make setup         install everything that any target needs
#: variables: V=1 shows commands; CC, CFLAGS, OPT, BUILD, DESTDIR, PREFIX

# Set-up runs once for each version of the script, before anything is compiled, for all that the goals need.
GOALS    := $(or $(MAKECMDGOALS),all)
GROUPS   := build $(if $(filter-out all install,$(GOALS)),test) $(filter memcheck lint fuzz,$(GOALS:format=lint))
SETUP    := $(BUILD)/.setup-$(subst $() ,-,$(strip $(GROUPS)))

$(SETUP): scripts/setup
	$(Q)./scripts/setup $(GROUPS)
	$(Q)mkdir -p $(@D) && touch $@

all tests memcheck fasttest soak: | $(SETUP)

setup:
	$(Q)./scripts/setup build test memcheck lint fuzz

# Stamps that make notes a change in: the compiler with its flags, and the list of sources (without it, a deleted
# source would stay in its archive).
FLAGS     := $(strip $(CC) $(ALL_CFLAGS))
define stamp
ifneq ($$(file <$(BUILD)/.$(1)),$$($(2)))
$$(shell mkdir -p $(BUILD))
$$(file >$(BUILD)/.$(1),$$($(2)))
endif
endef
ifneq (,$(filter-out help clean setup format,$(GOALS)))
$(eval $(call stamp,flags,FLAGS))
$(eval $(call stamp,sources,SOURCES))
endif

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: proto/%.proto | $(SETUP)
	$(call say,PROTOC,$<)
	$(Q)mkdir -p $(BUILD)/gen && protoc-c --c_out=$(BUILD)/gen -Iproto -I/usr/include $<

$(BUILD)/gen/requirements.inc: proto/SPEC.md scripts/gen-requirements
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && ./scripts/gen-requirements $< >$@.new && mv $@.new $@

# A file as a C string.
$(BUILD)/gen/html/%.inc: conformance/html/%
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/.flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/.flags | $(GEN_H) $(SETUP)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_A): $(LIB_OBJ)
$(BUILD)/libzrpc-cli.a: $(CLI_OBJ)
$(BUILD)/libzrpc-sim.a: $(SIM_OBJ)
$(BUILD)/libzrpc-conformance.a: $(CONF_OBJ)
$(BUILD)/libzrpc-wireevaluator.a: $(EVAL_OBJ)
$(TESTING): $(call objects,impl/testing/*.c)
$(BUILD)/%.a: $(BUILD)/.sources
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

# The static library as it is installed: one object, in which all names but zrpc_* are local.
RELEASE_A := $(BUILD)/release/libzrpc.a
$(RELEASE_A): $(LIB_OBJ) $(BUILD)/.sources
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && ld -r -o $(@D)/zrpc.o $(LIB_OBJ)
	$(Q)objcopy --wildcard --keep-global-symbol='zrpc_*' $(@D)/zrpc.o
	$(Q)rm -f $@ && ar rcs $@ $(@D)/zrpc.o

# The shared library exports zrpc_* alone and, sanitizers apart, needs nothing that it does not name.
$(LIB_SO): $(LIB_OBJ) impl/libzrpc.map $(BUILD)/.sources
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libzrpc.so.$(SOVERSION) -Wl,--version-script=impl/libzrpc.map \
	    $(if $(SANITIZE),,-Wl,-z,defs) $(ALL_LDFLAGS) -o $@ $(LIB_OBJ) $(LIBS)
	$(Q)ln -sf $(@F) $(BUILD)/libzrpc.so.$(SOVERSION) && ln -sf $(@F) $(BUILD)/libzrpc.so

define program
$(BUILD)/bin/$(notdir $(1)): $(call objects,$(1)/*.c) $(ARCHIVES)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS)
endef
$(foreach dir,$(PROG_DIR),$(eval $(call program,$(dir))))

# What impl/testing/alloc.c lets fail on demand.
WRAPPED  := malloc calloc realloc reallocarray strdup strndup asprintf vasprintf \
            eventfd epoll_create1 socket socketpair pipe pipe2 accept4 dup fopen opendir fork pthread_create

# A test beside a program's sources links the program's objects, but not its main.
$(BUILD)/test/%: $(BUILD)/obj/%.o $(TESTING) $(ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $< \
	    $(filter-out %/main.o,$(if $(findstring /cmd/,$<),$(call objects,$(dir $*)*.c))) \
	    $(TESTING) $(ARCHIVES) -lcunit $(LIBS)
define program_test
$(BUILD)/test/$(basename $(1)): $(filter-out %/main.o,$(call objects,$(dir $(1))*.c))
endef
$(foreach test,$(filter %_test.c,$(foreach dir,$(PROG_DIR),$(wildcard $(dir)/*_test.c))),$(eval $(call program_test,$(test))))

tests: $(TESTS)

# What takes longest begins first.
LONGEST   = scripts/soak_test $(addprefix $(BUILD)/test/,wireevaluator/wireevaluator_test conformance/mutants_test \
            conformance/runner_test sim/rig/rig_test impl/transport/sshd_test impl/rpc/timeouts_test)
RUN_TESTS = $(if $(TEST_MODE),,$(SCRIPT_TESTS)) $(TESTS)

test: all tests $(if $(TEST_MODE),,staged)
	$(Q)BUILD=$(BUILD) CC='$(CC)' ./scripts/run-tests $(TEST_MODE) \
	    $(filter $(LONGEST),$(RUN_TESTS)) $(filter-out $(LONGEST),$(RUN_TESTS))

# The programs whose tests run in accelerated time.
ACCELERATED = $(patsubst %.c,$(BUILD)/test/%,$(shell grep -l zrpc_suite_main_accelerated $(TEST_C)))

fasttest: all tests
	$(Q)BUILD=$(BUILD) ./scripts/fasttest $(ACCELERATED)

RUNS     ?= 200
SEED     ?= 1
soak: all
	$(Q)BUILD=$(BUILD) ./scripts/soak -s $(SEED) -n $(RUNS)

memcheck: all tests
	$(Q)BUILD=$(BUILD) ./scripts/run-tests --memcheck $(TESTS)

ASAN := BUILD=$(BUILD)/asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all' OPT='-O1 -g1'
asan:
	$(Q)$(MAKE) $(ASAN) TEST_MODE=--asan test

asan-build:
	$(Q)$(MAKE) $(ASAN) all tests

tsan:
	$(Q)$(MAKE) BUILD=$(BUILD)/tsan SANITIZE=-fsanitize=thread OPT='-O1 -g' TEST_MODE=--tsan test

# Fuzzing. Each corpus grows in build/fuzz/NAME; an input that fails stays beside it.
FUZZ_SECONDS ?= 30
FUZZ_C   := $(wildcard impl/testing/fuzz/*.c sim/*/fuzz/*.c)
FUZZERS  := $(addprefix $(BUILD)/fuzzer/,$(basename $(notdir $(FUZZ_C))))

fuzz: | $(SETUP)
	$(Q)$(MAKE) BUILD=$(BUILD)/fuzz CC=clang OPT='-O1 -g' \
	    SANITIZE='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' run-fuzzers

define fuzzer
$(BUILD)/fuzzer/$(basename $(notdir $(1))): $(1:%.c=$(BUILD)/obj/%.o) $(ARCHIVES)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(ALL_LDFLAGS) -fsanitize=fuzzer -o $$@ $$^ $$(LIBS)
endef
$(foreach source,$(FUZZ_C),$(eval $(call fuzzer,$(source))))

run-fuzzers: $(FUZZERS)
	$(Q)for fuzzer in $^; do \
	    name=$${fuzzer##*/}; out=$(BUILD)/$$name; mkdir -p $$out; \
	    $$fuzzer -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=4096 -verbosity=0 \
	        -print_final_stats=1 -dict=impl/testing/fuzz/wire.dict -artifact_prefix=$$out- $$out >$$out.log 2>&1 || \
	        { cat $$out.log; exit 1; }; \
	    sed -n "s/^stat::number_of_executed_units: */$$name: inputs without a finding: /p" $$out.log; \
	done

conformance: all
	$(Q)BUILD=$(BUILD) ./scripts/run-conformance

conformance-transports conformance-transports-quick: all
	$(Q)BUILD=$(BUILD) ./scripts/conformance-transports $(if $(findstring quick,$@),--quick)

REPEAT ?= 20
certify: all
	$(Q)BUILD=$(BUILD) ./scripts/certify --repeat $(REPEAT)

# Lint: clang's warnings; clang-tidy's with the profile in .clang-tidy, tests apart; the form of the code; the
# scripts; the requirement ids. The first two go file by file and look only at what has changed.
LINT_C   := $(filter %.c,$(SOURCES))
SCRIPTS  := $(wildcard scripts/* .ci/run)

lint: $(LINT_C:%=$(BUILD)/lint/%.clang) $(patsubst %,$(BUILD)/lint/%.tidy,$(filter-out %_test.c,$(LINT_C))) lint-format lint-scripts lint-spec

$(BUILD)/lint/%.clang: % $(BUILD)/.flags | $(GEN_H) $(SETUP)
	$(call say,CLANG,$<)
	$(Q)mkdir -p $(@D) && clang $(ALL_CFLAGS) -fsyntax-only -MMD -MP -MF $@.d -MT $@ $< && touch $@

$(BUILD)/lint/%.tidy: % .clang-tidy $(BUILD)/lint/%.clang
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(ALL_CFLAGS) 2>$@.log || { cat $@.log; false; }
	$(Q)mv $@.log $@

.PHONY: lint-format lint-scripts lint-spec
lint-format: | $(SETUP)
	$(call say,FORMAT,all)
	$(Q)clang-format --dry-run -Werror $(SOURCES)

lint-scripts: | $(SETUP)
	$(call say,SHELL,all)
	$(Q)grep -lE '^#!/bin/(ba)?sh' $(SCRIPTS) | xargs shellcheck -x

lint-spec:
	$(call say,SPEC,proto/SPEC.md)
	$(Q)./scripts/spec-ids >/dev/null

format: | $(SETUP)
	$(Q)clang-format -i $(SOURCES)

# Install. The simulators are tools for tests and stay in the build tree.
TO_BIN   := $(filter zrpc zrpc-conformance wireevaluator microbenchmark,$(notdir $(PROG_DIR)))
define install_to
	$(Q)install -d '$(1)/lib/pkgconfig' '$(1)/include/zrpc' '$(1)/bin'
	$(Q)install -m 644 impl/include/zrpc/*.h $(BUILD)/gen/zrepl_v1.pb-c.h '$(1)/include/zrpc'
	$(Q)install -m 644 $(RELEASE_A) $(LIB_SO) '$(1)/lib'
	$(Q)cp -P $(BUILD)/libzrpc.so.$(SOVERSION) $(BUILD)/libzrpc.so '$(1)/lib'
	$(Q)sed -e 's|@PREFIX@|$(2)|' -e 's|@VERSION@|$(VERSION)|' impl/zrpc.pc.in >'$(1)/lib/pkgconfig/zrpc.pc'
	$(Q)$(foreach p,$(TO_BIN),install $(BUILD)/bin/$(p) '$(1)/bin' &&) :
endef

install: all $(RELEASE_A)
	$(call install_to,$(DESTDIR)$(PREFIX),$(PREFIX))

# What scripts/install_test looks at.
staged: all $(RELEASE_A)
	$(Q)rm -rf $(BUILD)/staged
	$(call install_to,$(BUILD)/staged/opt/zrpc,/opt/zrpc)

clean:
	$(Q)rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj $(BUILD)/lint -name '*.d' 2>/dev/null)
