# Purser's build. `make help` lists the targets; the variables below may be set on the command line or in the environment.
VERSION := 0.1.0
SOVERSION := 0

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
UNITDIR ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
CATALOGDIR ?= $(PREFIX)/lib/systemd/catalog
BASHCOMPDIR ?= $(DATADIR)/bash-completion/completions
ZSHCOMPDIR ?= $(DATADIR)/zsh/site-functions
FISHCOMPDIR ?= $(DATADIR)/fish/vendor_completions.d

PKG_CONFIG ?= pkg-config
INSTALL ?= install
PYTHON ?= /usr/bin/python3
CLANG ?= clang
FUZZ_SECONDS ?= 60

DAEMON_PKGS := jansson libsystemd yaml-0.1 libsodium sqlite3 libseccomp
# Joined while the daemon runs (daemon/http/http_curl.c, daemon/base/jws.c): their headers are all that a build needs.
LATE_PKGS := libcurl libcrypto
LIB_PKGS := jansson
LOGIN_PKGS := jansson libmicrohttpd
TEST_PKGS := cmocka jansson

# ------------------------------------------------------------------------------------------------------------------ flags
# O is where this very build goes: a sanitized one never shares objects with a plain one.
ifdef FUZZING
O := $(BUILD)-fuzz
CC := $(CLANG)
MODE_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
MODE_LDFLAGS := -fsanitize=fuzzer,address,undefined
else ifdef SANITIZE
comma := ,
O := $(BUILD)-$(if $(findstring address,$(SANITIZE)),asan,$(subst $(comma),-,$(SANITIZE)))
MODE_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
MODE_LDFLAGS := -fsanitize=$(SANITIZE)
export ASAN_OPTIONS ?= detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS ?= print_stacktrace=1
else
O := $(BUILD)
MODE_CFLAGS := -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2
# A sanitized library leaves symbols for the program's runtime to define, so that only a plain one can be checked for them.
NO_UNDEFINED := -Wl,-z,defs
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
	-Wformat=2 -Wundef -Wvla -Wwrite-strings -Wno-unused-parameter -Wno-missing-field-initializers
ifdef WERROR
WARNINGS += -Werror
endif

CFLAGS ?=
LDFLAGS ?=
ALL_CPPFLAGS = -D_GNU_SOURCE -I. $(CPPFLAGS)
# Where the tree lies is in nothing that is built from it.
ALL_CFLAGS = -std=gnu17 -g -ffile-prefix-map=$(CURDIR)=. $(MODE_CFLAGS) $(WARNINGS) $(CFLAGS)
ALL_LDFLAGS = $(MODE_LDFLAGS) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
DEFINES = -DPURSER_VERSION='"$(VERSION)"' -DPURSER_LIBEXECDIR='"$(LIBEXECDIR)/purser"' \
	-DPURSER_SYSCONFDIR='"$(SYSCONFDIR)"' -DPURSER_PROVIDERS_DIR='"$(DATADIR)/purser/providers"'

# pkg-config is asked when an answer is first used, and once: nothing needs it before `make deps` had its turn.
DAEMON_CFLAGS = $(eval DAEMON_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(DAEMON_PKGS) $(LATE_PKGS)))$(DAEMON_CFLAGS)
DAEMON_LIBS = $(eval DAEMON_LIBS := $$(shell $(PKG_CONFIG) --libs $(DAEMON_PKGS)))$(DAEMON_LIBS)
CLIENT_CFLAGS = $(eval CLIENT_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(LOGIN_PKGS)))$(CLIENT_CFLAGS)
LIB_LIBS = $(eval LIB_LIBS := $$(shell $(PKG_CONFIG) --libs $(LIB_PKGS)))$(LIB_LIBS)
LOGIN_LIBS = $(eval LOGIN_LIBS := $$(shell $(PKG_CONFIG) --libs $(LOGIN_PKGS)))$(LOGIN_LIBS)
TEST_CFLAGS = $(eval TEST_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(DAEMON_PKGS) $(LATE_PKGS) $(LOGIN_PKGS) cmocka))$(TEST_CFLAGS)

V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' $(1) $(2)
else
say = @:
endif

# ---------------------------------------------------------------------------------------------------------------- sources
COMMON_SRCS := $(sort $(wildcard common/*.c))
DAEMON_SRCS := $(sort $(wildcard daemon/*.c daemon/*/*.c))
LIB_SRCS := $(sort $(wildcard client/libpurser*.c)) $(COMMON_SRCS)
CLI_SHARED_SRCS := $(sort $(wildcard client/cli*.c client/output.c))
CLI_SRCS := $(sort $(wildcard client/main.c client/cmd_*.c)) $(CLI_SHARED_SRCS)
LOGIN_SRCS := $(sort $(wildcard client/login*.c client/loopback*.c client/browser.c client/page.c)) $(CLI_SHARED_SRCS)
TEST_SRCS := $(sort $(wildcard tests/unit/test_*.c))
BED_FILES := $(sort $(wildcard tests/beds/*.[ch]))
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
C_FILES := $(sort $(wildcard common/*.[ch] daemon/*.[ch] daemon/*/*.[ch] client/*.[ch] include/*.h tests/*/*.[ch]))
SHELL_FILES := $(sort $(wildcard .ci/run client/completion/*.bash systemd/packaging/*.sh tests/*.sh tests/*/*.sh))
MAN_PAGES := $(sort $(wildcard */*.[1-8]))
VARLINK_FILES := $(sort $(wildcard include/*.varlink))
PROVIDER_FILES := $(sort $(wildcard etc/providers/*.yaml))

obj = $(patsubst %.c,$(O)/%.o,$(1))
LIB_OBJS := $(call obj,$(LIB_SRCS))
TESTS := $(patsubst %.c,$(O)/%,$(TEST_SRCS))
FUZZERS := $(patsubst %.c,$(O)/%,$(FUZZ_SRCS))
PROGRAMS := $(O)/purserd $(O)/purser $(O)/purser-login
LIBRARIES := $(O)/libpurser.so.$(SOVERSION) $(O)/libpurser.so $(O)/libpurser.a $(O)/purser.pc
UNIT_NAMES := purser.service purser.socket purser-credentials.socket
UNITS := $(patsubst systemd/%.in,$(O)/systemd/%,$(wildcard systemd/*.in systemd/user/*.in))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# --------------------------------------------------------------------------------------------------------------- building
.PHONY: all
all: $(PROGRAMS) $(LIBRARIES) $(UNITS) ## build the programs, the library and the units

.PHONY: objects
objects: $(sort $(call obj,$(COMMON_SRCS) $(DAEMON_SRCS) $(wildcard client/*.c) $(TEST_SRCS))) ## compile every source, link nothing

$(O)/daemon/%.o: PKG_CFLAGS = $(DAEMON_CFLAGS)
$(O)/client/%.o: PKG_CFLAGS = $(CLIENT_CFLAGS)
$(O)/tests/%.o: PKG_CFLAGS = $(TEST_CFLAGS)
$(LIB_OBJS): PIC := -fPIC
PIC := -fPIE

$(O)/%.o: %.c $(O)/.flags | $(O)/.packages
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(DEFINES) $(PKG_CFLAGS) $(PIC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Read by the assembler, where -MMD does not look.
$(O)/daemon/method/interface.o: $(VARLINK_FILES)

# Another compiler, other flags or other paths than last time: what depends on them is made anew.
$(O)/.flags: STAMP = $(CC) $(ALL_CPPFLAGS) $(DEFINES) $(ALL_CFLAGS) $(ALL_LDFLAGS)
$(O)/.paths: STAMP = $(PREFIX) $(BINDIR) $(SBINDIR) $(LIBDIR) $(INCLUDEDIR) $(SYSCONFDIR)
.PHONY: force
$(O)/.flags $(O)/.paths: force
	@mkdir -p $(@D)
	@printf '%s\n' "$(subst ",,$(STAMP))" > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(O)/.packages:
	@mkdir -p $(@D)
	@$(PKG_CONFIG) --exists --print-errors $(sort $(DAEMON_PKGS) $(LATE_PKGS) $(LOGIN_PKGS)) || \
		{ echo 'A library is missing: `make deps` installs what the build needs.' >&2; exit 1; }
	@touch $@

# As executables are laid out; clang complains of a -pie beside -static-pie.
PIE = -pie
link = $(CC) $(PIE) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)

$(O)/purserd: $(call obj,$(DAEMON_SRCS) $(COMMON_SRCS))
	$(call say,LINK,$@)
	$(Q)$(link) $(DAEMON_LINKED)

# Half of what `purser token` takes is finding and joining libraries, so that it carries them inside where there are archives of
# them: CLI_LINK= (nothing) makes it as dynamic as the rest. It uses neither names of users nor of hosts, which a static libc
# would look up badly.
CLI_LINK = $(eval CLI_LINK := $$(if $$(FUZZING)$$(SANITIZE),,$$(shell echo 'int main(void) { return 0; }' | \
	$$(CC) -static-pie -x c -o /dev/null - $$(LIB_LIBS) 2>/dev/null && echo -static-pie)))$(CLI_LINK)

# What waits for a cold start waits for each library to be found, mapped and joined, so that purserd carries inside those of which there
# are archives, as the command does: DAEMON_LINK= (nothing) leaves all of them outside. libsystemd has none, and libc stays what
# libcurl joins.
DAEMON_INSIDE := jansson yaml-0.1 libsodium sqlite3 libseccomp
ARCHIVES = -Wl,-Bstatic $(shell $(PKG_CONFIG) --libs $(DAEMON_INSIDE)) -Wl,-Bdynamic -lm -Wl,--exclude-libs,ALL
DAEMON_LINK = $(eval DAEMON_LINK := $$(if $$(FUZZING)$$(SANITIZE),,$$(shell echo 'int main(void) { return 0; }' | \
	$$(CC) -x c -o /dev/null - $$(ARCHIVES) 2>/dev/null && echo inside)))$(DAEMON_LINK)
DAEMON_LINKED = $(eval DAEMON_LINKED := $$(if $$(DAEMON_LINK),$$(ARCHIVES) $$(shell $$(PKG_CONFIG) --libs libsystemd),$$(DAEMON_LIBS)))$(DAEMON_LINKED)

# The commands carry the library inside: one file less to find at each start.
$(O)/purser: PIE = $(or $(CLI_LINK),-pie)
$(O)/purser: $(call obj,$(CLI_SRCS)) $(LIB_OBJS)
	$(call say,LINK,$@)
	$(Q)$(link) $(LIB_LIBS)

$(O)/purser-login: $(call obj,$(LOGIN_SRCS)) $(LIB_OBJS)
	$(call say,LINK,$@)
	$(Q)$(link) $(LOGIN_LIBS)

$(O)/libpurser.so.$(SOVERSION): $(LIB_OBJS) client/libpurser.sym
	$(call say,LINK,$@)
	$(Q)$(CC) -shared $(ALL_CFLAGS) $(ALL_LDFLAGS) $(NO_UNDEFINED) -Wl,-soname,libpurser.so.$(SOVERSION) \
		-Wl,--version-script=client/libpurser.sym -o $@ $(LIB_OBJS) $(LIB_LIBS)

$(O)/libpurser.so: $(O)/libpurser.so.$(SOVERSION)
	$(Q)ln -sf libpurser.so.$(SOVERSION) $@

# One object whose internal names are made local, so that they never meet those of a program that links the archive.
$(O)/libpurser.a: $(LIB_OBJS) client/libpurser.sym
	$(call say,AR,$@)
	$(Q)tests/tools/exports.sh list client/libpurser.sym > $(O)/libpurser.globals
	$(Q)$(LD) -r -o $(O)/libpurser.all.o $(LIB_OBJS)
	$(Q)objcopy --keep-global-symbols=$(O)/libpurser.globals $(O)/libpurser.all.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(O)/libpurser.all.o

$(O)/purser.pc: client/purser.pc.in $(O)/.paths Makefile
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)sed -e 's,@PREFIX@,$(PREFIX),g' -e 's,@LIBDIR@,$(LIBDIR),g' -e 's,@INCLUDEDIR@,$(INCLUDEDIR),g' \
		-e 's,@VERSION@,$(VERSION),g' $< > $@

$(O)/systemd/%: systemd/%.in $(O)/.paths Makefile
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)sed -e 's,@BINDIR@,$(BINDIR),g' -e 's,@SBINDIR@,$(SBINDIR),g' -e 's,@SYSCONFDIR@,$(SYSCONFDIR),g' $< > $@

# ---------------------------------------------------------------------------------------------------------------- testing
# A test links the beds that it includes, and names in its first lines what else: `// links: daemon/vault/`. A folder stands for itself and all
# that are below it: what needs a higher one fails here, by name. What a bed plays itself (tests/beds/fake_http.c) comes first, so that its
# counterpart stays in the archive.
ifneq ($(filter-out clean help format deps,$(or $(MAKECMDGOALS),all)),)
-include $(O)/tests.mk
endif

$(O)/tests.mk: $(TEST_SRCS) $(FUZZ_SRCS) $(BED_FILES) tests/tools/test-links.awk tests/tools/layers.txt Makefile
	@mkdir -p $(@D)
	@awk -v O='$(O)' -f tests/tools/test-links.awk tests/tools/layers.txt \
		$(BED_FILES) $(TEST_SRCS) $(FUZZ_SRCS) > $@

define layer_archive
$(O)/$(1).a: $(call obj,$(sort $(wildcard $(1)/*.c)))
	@rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach folder,common $(patsubst %/,%,$(wildcard daemon/*/)),$(eval $(call layer_archive,$(folder))))
test_link = $(link) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

test_pkgs = $(shell $(PKG_CONFIG) --libs $(TEST_PKGS) $(EXTRA_PKGS))
$(TESTS): $(O)/%: $(O)/%.o
	$(call say,LINK,$@)
	$(Q)$(test_link) $(EXTRA_LDFLAGS) $(test_pkgs)

$(FUZZERS): $(O)/tests/fuzz/%: $(O)/tests/fuzz/%.o
	$(call say,LINK,$@)
	$(Q)$(test_link) $(EXTRA_LDFLAGS) $(shell $(PKG_CONFIG) --libs jansson $(EXTRA_PKGS))

TALLY := $(PYTHON) tests/tools/tally.py --results $(O)/results
T ?=
ONLY_TESTS = $(if $(T),$(filter $(addprefix %/,$(T)),$(TESTS)),$(TESTS))
ONLY_FUZZERS = $(if $(T),$(filter $(addprefix %/,$(T)),$(FUZZERS)),$(FUZZERS))

.PHONY: tests
tests: $(TESTS) ## build the unit tests
	@:

.PHONY: unit
unit: $(ONLY_TESTS) ## build and run the unit tests (T=test_wire for one)
	@$(TALLY) $(if $(filter-out 0,$(V)),--verbose) unit $(ONLY_TESTS)

.PHONY: integration
integration: all $(O)/tests/load/asker $(O)/tests/integration/wall.so $(O)/tests/bench/populate ## drive the built programs from outside (T=expression selects, as pytest's -k)
	@PURSER_BUILD=$(abspath $(O)) $(TALLY) pytest integration tests/integration $(if $(T),-k '$(T)')

.PHONY: node-deps
node-deps: tests/interop/node_modules/.package-lock.json ## fetch the authorization server that the interop tests run against

tests/interop/node_modules/.package-lock.json: tests/interop/package-lock.json
	$(call say,NPM,$<)
	$(Q)cd tests/interop && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: interop
interop: all node-deps ## run against an authorization server and Varlink tools that others wrote
	@PURSER_BUILD=$(abspath $(O)) $(TALLY) pytest interop tests/interop $(if $(T),-k '$(T)')

.PHONY: exports
exports: $(O)/libpurser.so.$(SOVERSION) $(O)/libpurser.a ## compare the library's symbols with the written list
	@$(TALLY) command exports -- tests/tools/exports.sh check client/libpurser.sym $^

.PHONY: layers
layers: ## print the include graph; fail on an include that points up
	@$(TALLY) command layers -- $(PYTHON) tests/tools/layers.py tests/tools/layers.txt

.PHONY: promises
promises: ## check that the README's table of promises names tests that exist
	@$(TALLY) command promises -- $(PYTHON) tests/tools/promises.py README.md

$(O)/tests/crash/killat: $(call obj,tests/crash/killat.c)
	$(call say,LINK,$@)
	$(Q)$(link)

$(O)/tests/integration/wall.so: tests/integration/wall.c
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC $(ALL_CFLAGS) -o $@ $<

$(O)/tests/load/asker: $(call obj,tests/load/asker.c) $(O)/libpurser.a
	$(call say,LINK,$@)
	$(Q)$(link) $(O)/libpurser.a $(LIB_LIBS)

.PHONY: load
load: all $(O)/tests/load/asker ## 16 callers through 20 restarts, 50 reloads and 20 kills under a real systemd (needs root)
	@$(TALLY) command load -- sh -c 'exec tests/systemd/boot.sh --bind-ro "$$1:/t" --bind-ro "$$2:/tree" --timeout 170 -- \
		/tree/tests/systemd/load.sh 20 20 50' load $(abspath $(O)) $(CURDIR)

MINUTES ?= 30
.PHONY: soak
soak: all ## 200 credentials, faults and kills for MINUTES=30; at the end every living grant is alive
	@PURSER_BUILD=$(abspath $(O)) $(TALLY) command soak -- $(PYTHON) tests/soak/soak.py --minutes $(MINUTES)

ROUNDS ?= 5
ATTACK_SECONDS ?= 1
$(O)/tests/attack/halfopen: $(call obj,tests/attack/halfopen.c)
	$(call say,LINK,$@)
	$(Q)$(link)

.PHONY: attack
attack: all $(O)/tests/attack/halfopen $(O)/tests/bench/echo ## measure what other callers notice of hostile ones; the table that the README has (as root: by several users)
	@PURSER_BUILD=$(abspath $(O)) $(TALLY) command attack -- $(PYTHON) tests/attack/attack.py --rounds $(ROUNDS) --seconds $(ATTACK_SECONDS)

CRASH_SECONDS ?= 300
.PHONY: crash
crash: all $(O)/tests/crash/killat ## kill purserd at every system call of every operation, and count the grants that are lost
	@PURSER_BUILD=$(abspath $(O)) $(PYTHON) tests/crash/crash.py --seconds $(CRASH_SECONDS)

.PHONY: crash-sample
crash-sample: all $(O)/tests/crash/killat ## the same at a few of them
	@PURSER_BUILD=$(abspath $(O)) $(TALLY) command crash-sample -- $(PYTHON) tests/crash/crash.py --seconds 12 --refreshes 50

BENCH_PROGRAMS := $(addprefix $(O)/tests/bench/,echo joined load spawn coldstart refreshload persist populate spread rearm)
bench_of = $(O)/tests/bench/$(1): $(call obj,tests/bench/$(1).c $(2))
$(call bench_of,echo)
$(O)/tests/bench/joined: DAEMON_LIBS = -Wl,--push-state,--no-as-needed $(DAEMON_LINKED) -Wl,--pop-state
$(call bench_of,joined,tests/bench/echo.c)
$(call bench_of,load,tests/bench/latency.c)
$(call bench_of,spawn,tests/bench/latency.c)
$(call bench_of,coldstart,tests/bench/latency.c)
$(O)/tests/bench/refreshload: BENCH_LIBS = $(shell $(PKG_CONFIG) --libs libcurl)
$(call bench_of,refreshload,tests/bench/latency.c)
$(call bench_of,persist,tests/bench/latency.c)
$(call bench_of,rearm,daemon/base/timers.c daemon/base/heap.c common/fault.c)
$(call bench_of,populate,$(filter-out daemon/main.c,$(DAEMON_SRCS)) $(COMMON_SRCS))
PLAYED_SRCS := daemon/main.c $(wildcard daemon/app*.c daemon/http/http.c daemon/http/http_[clo]*.c daemon/store/store*.c)
$(call bench_of,spread,tests/bench/spread_store.c tests/beds/fake_clock.c tests/beds/fake_http.c $(filter-out $(PLAYED_SRCS),$(DAEMON_SRCS)) \
	$(COMMON_SRCS))
$(BENCH_PROGRAMS):
	$(call say,LINK,$@)
	$(Q)$(link) $(DAEMON_LIBS) $(BENCH_LIBS)

.PHONY: bench
bench: all $(BENCH_PROGRAMS) ## how near purserd is to what the kernel can do: minutes, a table, and $(O)/bench.json (T=asking)
	@tests/tools/install-deps.sh --bench || echo 'bench: what needs them is skipped.' >&2
	@PURSER_BUILD=$(abspath $(O)) $(PYTHON) tests/bench/bench.py --json $(O)/bench.json $(T)

.PHONY: bench-short
bench-short: all $(BENCH_PROGRAMS) ## a minute of the same: speed is printed; memory, descriptors and instructions may not grow
	@PURSER_BUILD=$(abspath $(O)) $(TALLY) command bench-short -- $(PYTHON) tests/bench/bench.py --short --json $(O)/bench-short.json

.PHONY: check
check: ## install what is missing, build, run every test; ends with "N passed, N failed"
	@MAKE='$(MAKE)' tests/tools/check.sh $(O)/results $(TALLY)

.PHONY: asan
asan: ## the same against a build with AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory SANITIZE=address,undefined check

.PHONY: tsan
tsan: ## run the tests of what has a thread under ThreadSanitizer
	@$(MAKE) --no-print-directory SANITIZE=thread unit T='test_store_worker test_store test_store_lost'

.PHONY: fuzz
fuzz: ## run each fuzzer for FUZZ_SECONDS=60 (T=fuzz_wire for one)
	@$(MAKE) --no-print-directory FUZZING=1 fuzz-run

.PHONY: fuzz-run
fuzz-run: $(ONLY_FUZZERS)
	@$(TALLY) fuzz --seconds $(FUZZ_SECONDS) --scratch $(O)/fuzz $(ONLY_FUZZERS)

.PHONY: demo
demo: ## watch a login, a refresh, a crash and a recovery, in under a minute
	@tests/tools/install-deps.sh
	@$(MAKE) --no-print-directory all
	@PURSER_BUILD=$(abspath $(O)) tests/demo.sh

# --------------------------------------------------------------------------------------------------------------- checking
.PHONY: lint
lint: ## clang-format, clang-tidy, cppcheck, shellcheck
	@LINT_FLAGS='$(ALL_CPPFLAGS) -Iinclude $(subst ',,$(DEFINES)) $(TEST_CFLAGS) -std=gnu17 $(WARNINGS)' C_FILES='$(C_FILES)' \
		SHELL_FILES='$(SHELL_FILES)' $(TALLY) command lint -- tests/tools/lint.sh

.PHONY: man-check
man-check: ## render every manual page; a warning is an error
	@$(TALLY) command man-check -- tests/tools/man-check.sh $(MAN_PAGES)

.PHONY: units-check
units-check: all ## verify the systemd units and how exposed the service is
	@$(TALLY) command units-check -- tests/tools/units-check.sh $(O)

.PHONY: packages-check
packages-check: ## build the packages twice, and install, upgrade and purge them under a real systemd (needs root)
	@$(TALLY) pytest packages tests/packages $(if $(T),-k '$(T)')

.PHONY: format
format: ## apply .clang-format
	@clang-format -i $(C_FILES)

# ------------------------------------------------------------------------------------------------------------- installing
.PHONY: deps
deps: ## install the packages that are missing (Debian, Ubuntu); elsewhere name them
	@tests/tools/install-deps.sh

man_dir = $(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))

# The interface files go beside the providers: no directory for them is agreed upon among Varlink's tools, all of which take
# a path, or ask purserd itself (GetInterfaceDescription).
.PHONY: install
install: all ## install under $(DESTDIR)$(PREFIX); an existing purser.yaml is kept
	$(INSTALL) -D -m 755 $(O)/purserd $(DESTDIR)$(SBINDIR)/purserd
	$(INSTALL) -D -m 755 $(O)/purser $(DESTDIR)$(BINDIR)/purser
	$(INSTALL) -D -m 755 $(O)/purser-login $(DESTDIR)$(LIBEXECDIR)/purser/purser-login
	$(INSTALL) -D -m 755 $(O)/libpurser.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libpurser.so.$(SOVERSION)
	ln -sf libpurser.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libpurser.so
	$(INSTALL) -D -m 644 $(O)/libpurser.a $(DESTDIR)$(LIBDIR)/libpurser.a
	$(INSTALL) -D -m 644 $(O)/purser.pc $(DESTDIR)$(PKGCONFIGDIR)/purser.pc
	$(INSTALL) -D -m 644 include/purser.h $(DESTDIR)$(INCLUDEDIR)/purser.h
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(DATADIR)/purser/interfaces $(VARLINK_FILES)
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(DATADIR)/purser/providers $(PROVIDER_FILES)
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(DATADIR)/purser/prometheus etc/prometheus/purser.rules.yaml
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(DATADIR)/purser/grafana etc/grafana/purser.json
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(UNITDIR) $(O)/systemd/purser-metrics.service $(O)/systemd/purser-metrics.timer
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(UNITDIR) $(addprefix $(O)/systemd/,$(UNIT_NAMES))
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(USERUNITDIR) $(addprefix $(O)/systemd/user/,$(UNIT_NAMES))
	$(INSTALL) -D -m 644 systemd/purser.sysusers $(DESTDIR)$(SYSUSERSDIR)/purser.conf
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(CATALOGDIR) systemd/purser.catalog
	$(INSTALL) -D -m 644 client/completion/purser.bash $(DESTDIR)$(BASHCOMPDIR)/purser
	$(INSTALL) -D -m 644 client/completion/purser.zsh $(DESTDIR)$(ZSHCOMPDIR)/_purser
	$(INSTALL) -D -m 644 client/completion/purser.fish $(DESTDIR)$(FISHCOMPDIR)/purser.fish
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(DATADIR)/doc/purser/examples systemd/examples/*.conf tests/examples/*.*
	$(foreach page,$(MAN_PAGES),$(INSTALL) -D -m 644 $(page) $(DESTDIR)$(call man_dir,$(page))/$(notdir $(page))$(newline))
	$(INSTALL) -d -m 755 $(addprefix $(DESTDIR)$(SYSCONFDIR)/purser,/ /conf.d /hooks)
	test -e $(DESTDIR)$(SYSCONFDIR)/purser/purser.yaml || \
		$(INSTALL) -m 644 etc/purser.yaml $(DESTDIR)$(SYSCONFDIR)/purser/purser.yaml

define newline


endef

.PHONY: uninstall
uninstall: ## remove what install put there, except the configuration and the state
	rm -f $(DESTDIR)$(SBINDIR)/purserd $(DESTDIR)$(BINDIR)/purser
	rm -f $(DESTDIR)$(LIBDIR)/libpurser.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libpurser.so $(DESTDIR)$(LIBDIR)/libpurser.a
	rm -f $(DESTDIR)$(PKGCONFIGDIR)/purser.pc $(DESTDIR)$(INCLUDEDIR)/purser.h
	rm -f $(DESTDIR)$(UNITDIR)/purser-metrics.service $(DESTDIR)$(UNITDIR)/purser-metrics.timer
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNIT_NAMES)) $(addprefix $(DESTDIR)$(USERUNITDIR)/,$(UNIT_NAMES))
	rm -f $(DESTDIR)$(SYSUSERSDIR)/purser.conf $(DESTDIR)$(CATALOGDIR)/purser.catalog
	rm -f $(DESTDIR)$(BASHCOMPDIR)/purser $(DESTDIR)$(ZSHCOMPDIR)/_purser $(DESTDIR)$(FISHCOMPDIR)/purser.fish
	rm -f $(foreach page,$(MAN_PAGES),$(DESTDIR)$(call man_dir,$(page))/$(notdir $(page)))
	rm -rf $(DESTDIR)$(LIBEXECDIR)/purser $(DESTDIR)$(DATADIR)/purser $(DESTDIR)$(DATADIR)/doc/purser

.PHONY: dist
dist: ## the release of this tree, as a tarball
	$(call say,DIST,$(DIST))
	$(Q)systemd/packaging/dist.sh purser-$(VERSION) $(DIST)

DIST = $(O)/purser-$(VERSION).tar.gz

.PHONY: deb
deb: dist ## Debian packages, in $(O)/deb (wants debhelper)
	@systemd/packaging/deb.sh $(abspath $(DIST)) $(VERSION) $(abspath $(O)/deb)
	@ls $(O)/deb/*.deb

.PHONY: clean
clean: ## remove the build directories
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-thread $(BUILD)-fuzz $(BUILD)-gcc $(BUILD)-clang

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | sort | expand -t 16

-include $(shell find $(O) -path $(O)/deb -prune -o -name '*.d' -type f -print 2>/dev/null)
