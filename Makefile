# Holdfast. `make` builds the daemon, the client and the library into build/release;
# `make test` runs the tests; `make help` lists the rest. What a target needs is in
# README.md; each mode (asan, tsan, ...) and each compiler has a folder of its own.
SHELL := /bin/bash
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
# Plain `make` uses every core; `make -j1` does not.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

ifeq ($(origin CC),default)
CC := gcc
endif
MODE ?= release
B := build/$(MODE)$(if $(findstring gcc,$(CC)),,-$(notdir $(CC)))
# Debian's Python, which sees Debian's modules (python3-pynvim), before any other.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)

VERSION := 0.1.0
LIB_SONAME := 0
LIB_VERSION := $(LIB_SONAME).1.0

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wno-unused-parameter -Wpointer-arith -Wundef
CFLAGS_release := -O2 -g
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize-recover=all
CFLAGS_tsan := -O1 -g -fsanitize=thread
CFLAGS_cov := -O0 -g --coverage -Wno-maybe-uninitialized
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -I$(B) -fPIC -fvisibility=hidden $(WARN) $(CFLAGS_$(MODE)) \
          $(EXTRA_CFLAGS)
# Symbols are bound at the start: what binds them at the first call leaves registers, and so perhaps a
# key, on the stack.
LDFLAGS := -Wl,-z,relro,-z,now $(filter -fsanitize% --coverage,$(CFLAGS_$(MODE)))
LIBS := -luv -llz4 -lxxhash -lutf8proc -lssl -lcrypto -lpthread -lm
LIB_LIBS := -lssl -lcrypto
CLI_LIBS := -ledit -lutf8proc -lz $(LIB_LIBS) -lm
# msgpack-c judges ours in the tests; no program of ours links it.
CHECK_LIBS := -lcheck -lsubunit -lrt -lmsgpackc

PROTO := $(wildcard proto/*.c)
CORE := $(wildcard server/base/*.c server/storage/*.c server/txn/*.c server/query/*.c) \
        $(filter-out server/os/os_uv.c,$(wildcard server/os/*.c))
NET := $(wildcard server/net/*.c) $(wildcard server/os/os_uv.c)
LIB := $(wildcard client/lib/*.c)
CLI := $(wildcard client/cli/*.c)
FAKE := $(wildcard tests/integration/fake_*.c)
SIM := $(filter-out tests/sim/sim_uv.c,$(wildcard tests/sim/*.c))
UNIT := $(wildcard tests/unit/test_*.c)
RIG := $(filter-out $(UNIT),$(wildcard tests/unit/*.c))
FUZZ := $(wildcard tests/fuzz/fuzz_*.c)
# What stands in for libuv must not come into a program that wants the real one.
FUZZ_RIG := $(filter-out $(FUZZ),$(wildcard tests/fuzz/*.c)) tests/sim/sim_uv.c

obj = $(patsubst %.c,$(B)/%.o,$(1))
UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT))
FUZZ_BINS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ))
BINS := $(if $(wildcard server/main.c),$(B)/holdfastd) $(if $(CLI),$(B)/holdfast) \
        $(if $(LIB),$(B)/libholdfast.a $(B)/libholdfast.so)

# The floors of the server are many small files; gcc optimises the daemon as one
# (-flto), so that a call from one to another costs what it would inside one file.
# `make LTO=` leaves that out: a quicker link while one works on it.
LTO ?= $(if $(filter releasegcc,$(MODE)$(findstring gcc,$(CC))),-flto=auto)
# Left to itself gcc clears a struct of 40 bytes with an instruction that takes 40 cycles to begin.
, := ,
CLEAR := $(if $(filter x86_64,$(shell uname -m)),-mmemset-strategy=vector_loop:256:noalign$(,)libcall:-1:noalign)
WHOLE := $(if $(LTO),-O3 $(LTO) -ffat-lto-objects $(CLEAR))
$(B)/server/%.o $(B)/proto/%.o: CFLAGS += $(WHOLE)
NO_LTO := $(if $(LTO),-fno-lto)

all: $(BINS) ## the daemon, the client and the library (this is plain `make`)
tests: $(UNIT_BINS) $(FUZZ_BINS) $(B)/tests/library

# V=1 shows each command whole.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $@)

# Whatever changes the command line or the list of files makes again what it must.
# A stamp is written only when what it says has changed.
say_if_new = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(B)/flags: FORCE
	$(call say_if_new,$(CC) $(CFLAGS) $(WHOLE))
$(B)/files: FORCE
	$(call say_if_new,$(PROTO) $(CORE) $(NET) $(LIB) $(CLI) $(FAKE) $(SIM) $(RIG) $(FUZZ_RIG))

# The parser of queries, which lemon makes of its grammar.
$(B)/server/query/grammar.c: server/query/grammar.y
	$(call say,GEN)
	@mkdir -p $(@D)
	$(Q)cp $< $(@D)/ && cd $(@D) && lemon -q grammar.y
$(B)/server/query/grammar.h: $(B)/server/query/grammar.c
$(call obj,$(wildcard server/query/*.c)): | $(B)/server/query/grammar.h
$(B)/server/query/grammar.o: $(B)/server/query/grammar.c $(B)/flags
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) -Wno-missing-prototypes -Wno-unused-variable -DNDEBUG -MMD -MP -c -o $@ $<

$(B)/%.o: %.c $(B)/flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libproto.a: $(call obj,$(PROTO))
$(B)/libcore.a: $(call obj,$(CORE)) $(B)/server/query/grammar.o
$(B)/libnet.a: $(call obj,$(NET))
$(B)/libsim.a: $(call obj,$(SIM)) $(call obj,$(RIG))
$(B)/libfuzz.a: $(call obj,$(FUZZ_RIG))
# The client's tests see its inside, and a small server of their own.
$(B)/libclient.a: $(call obj,$(LIB) $(filter-out client/cli/main.c,$(CLI)) $(FAKE))
$(B)/libholdfast.a: $(B)/libholdfast.o
$(B)/%.a: $(B)/files
	$(call say,AR)
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)

# One object whose hidden symbols are local, so that linking the static library
# shows a program no more names than the shared one does.
$(B)/libholdfast.o: $(call obj,$(LIB)) $(call obj,$(PROTO)) $(B)/files
	$(call say,LD)
	$(Q)ld -r -o $@ $(filter %.o,$^)
	$(Q)objcopy --localize-hidden --remove-section=.gnu.lto_* $@

$(B)/libholdfast.so: $(call obj,$(LIB)) $(call obj,$(PROTO)) $(B)/files
	$(call say,LD)
	$(Q)$(CC) $(NO_LTO) -shared -Wl,-soname,libholdfast.so.$(LIB_SONAME) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB_LIBS)

$(B)/holdfastd: $(B)/server/main.o $(B)/libnet.a $(B)/libcore.a $(B)/libproto.a
	$(call say,LD)
	$(Q)$(CC) $(WHOLE) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/holdfast: $(call obj,$(CLI)) $(B)/libholdfast.a $(B)/libproto.a
	$(call say,LD)
	$(Q)$(CC) $(NO_LTO) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

$(B)/tests/test_client_%: $(B)/tests/unit/test_client_%.o $(B)/libclient.a $(B)/libproto.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(NO_LTO) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(CLI_LIBS) -lpthread

# libholdfast as a program sees it, for test_library.
$(B)/tests/library: $(B)/tests/integration/library.o $(B)/libholdfast.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS) -lpthread

CORE_LIBS := $(B)/libsim.a $(B)/libnet.a $(B)/libcore.a $(B)/libproto.a
$(B)/tests/%: $(B)/tests/unit/%.o $(CORE_LIBS)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(NO_LTO) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS)

# A whole server without sockets, as the fuzzer's.
$(B)/tests/test_turns: $(B)/tests/unit/test_turns.o $(B)/libfuzz.a $(CORE_LIBS)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(NO_LTO) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS)

# With MODE=fuzz (clang) a target is driven by libFuzzer, else by the main of fuzz.h.
ifeq ($(MODE),fuzz)
$(B)/fuzz/%: FUZZ_LINK := -fsanitize=fuzzer
else
$(B)/tests/fuzz/%.o: CFLAGS += -DFUZZ_STANDALONE
endif
# The library's symbols from proto are local to it.
$(B)/fuzz/fuzz_values: $(B)/libholdfast.a
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/libfuzz.a $(CORE_LIBS)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(NO_LTO) $(LDFLAGS) $(FUZZ_LINK) -o $@ $^ $(CHECK_LIBS) $(LIBS)

# QUICK=1: fewer seeds of what is random, for a first answer under a slow sanitizer.
RUN = $(if $(QUICK),LIFE_COUNT=8) $(PYTHON) tests/run.py --build $(B) \
      --fuzz-runs $(if $(QUICK),2000,20000)

test: all tests ## every test; the last line says how many passed and failed
	@$(RUN) --integration --node $(UNIT_BINS) $(FUZZ_BINS)
node: all ## only the tests of the packages for Node
	@$(RUN) --node
conformance: all ## suites of others: for Node, fetched with npm; sqllogictest (SQLLOGICTEST=FOLDER)
	@HOLDFASTD=$(abspath $(B)/holdfastd) $(PYTHON) tests/integration/sqllogic.py $(WORDS)
	@HOLDFASTD=$(abspath $(B)/holdfastd) node client/node/conformance/run.js $(WORDS)
unit: tests ## the tests without a daemon
	@$(RUN) $(UNIT_BINS) $(FUZZ_BINS)
lint: all ## format, layers, lone headers, symbols, banned calls, sizes
	@$(PYTHON) tests/lint/test_lint.py
	@$(PYTHON) tests/lint/lint.py --build $(B) --cc '$(CC)' --cflags '$(CFLAGS)'
format: ## FILES=: put right what `make lint` says of the format
	@$(PYTHON) tests/lint/lint.py --fix-format $(FILES)

asserts: ## print how many asserts there are in each room of the server
	@$(PYTHON) tests/lint/lint.py --show-asserts

modules: ## draw the modules in docs/architecture.md from the includes
	@$(PYTHON) tests/lint/modules.py

session: all ## record docs/session.txt anew, which a test compares
	HOLDFASTD=$(abspath $(B)/holdfastd) HOLDFAST=$(abspath $(B)/holdfast) \
	    $(PYTHON) tests/integration/session.py --write

example: $(B)/holdfastd ## write config.example from the daemon's table of options
	$(B)/holdfastd --print-config > config.example

asan: ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) MODE=asan test
ubsan: ## every test under UndefinedBehaviorSanitizer alone
	@$(MAKE) MODE=ubsan test
# The rest has one thread by construction, and the simulator no real ones.
THREADED := $(filter %/test_os %/test_os_jobs %/test_os_uv %_posix %_threads,$(UNIT_BINS))
tsan: ## what has threads, under ThreadSanitizer
	@$(MAKE) MODE=tsan tsan-run
tsan-run: all $(THREADED) $(B)/tests/library
	@TSAN_OPTIONS=suppressions=$(CURDIR)/tests/tsan.supp $(RUN) --integration $(THREADED)
cov: ## every test, then how much of each file has run
	@find build/cov -name '*.gcda' -delete 2>/dev/null; true
	@$(MAKE) MODE=cov test
	@$(PYTHON) tests/coverage.py build/cov

SECONDS ?= 60
fuzz: ## SECONDS=60: libFuzzer on each decoder, and on the whole server (clang)
	@$(MAKE) MODE=fuzz CC=clang SECONDS=$(SECONDS) fuzz-run
fuzz-run: $(FUZZ_BINS)
	@set -e; for f in $(FUZZ_BINS); do mkdir -p build/corpus/$${f##*/}; \
	    kept=tests/fuzz/corpus/$${f##*/}; [ -d $$kept ] || kept=; \
	    $$f -max_total_time=$(SECONDS) -len_control=0 -timeout=30 -verbosity=0 -print_final_stats=1 \
	        -artifact_prefix=build/corpus/ build/corpus/$${f##*/} $$kept; done
FROM ?= 1
SEEDS ?= 1000
sim: $(B)/tests/test_life ## SEEDS=1000 FROM=1: whole lives of the core in the simulator
	LIFE_SEED=$(FROM) LIFE_COUNT=$(SEEDS) $(B)/tests/test_life
mutants: ## one bug at a time in a copy of the server: the tests must catch each
	tests/mutants/run.sh

# The tables go into a page of Markdown, whose prose stays as it is.
BENCH_TABLES ?= $(if $(filter bench-full,$(MAKECMDGOALS)),docs/performance.md,$(B)/performance.md)
BENCH_FLAGS ?=
BENCH = HOLDFASTD=$(B)/holdfastd $(B)/tests/bench/bench
BENCH_LIBS := $(if $(wildcard /usr/include/lmdb.h),-llmdb) \
              $(if $(wildcard /usr/include/rocksdb/c.h),-lrocksdb)
$(B)/tests/bench/bench: $(call obj,$(wildcard tests/bench/*.c)) $(B)/libcore.a $(B)/libproto.a
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WHOLE) $(LDFLAGS) -o $@ $^ $(LIBS) $(BENCH_LIBS)
bench: ## beside the rivals that are installed, about ten minutes; BENCH_FLAGS='--only W2'
bench-full: ## every workload, about 75 minutes, into docs/performance.md
bench bench-full: all $(B)/tests/bench/bench
	$(BENCH) $(if $(filter bench-full,$@),--full) --markdown $(BENCH_TABLES) $(BENCH_FLAGS)
	$(if $(BENCH_FLAGS),,@$(MAKE) bench-tls)
bench-queries: all ## queries beside SQLite and PostgreSQL, of RECORDS=1000000 documents
	HOLDFASTD=$(B)/holdfastd $(PYTHON) tests/bench/query_bench.py --records $(or $(RECORDS),1000000)
bench-locks: all ## a transaction of 1,000 keys among 64 writers of them, with a lock and without
	HOLDFASTD=$(B)/holdfastd $(PYTHON) tests/bench/lock_bench.py
bench-databases: all ## DATABASES=16000 made, used, listed and dropped
	HOLDFASTD=$(B)/holdfastd DATABASES=$(or $(DATABASES),16000) \
	    $(PYTHON) tests/integration/run.py test_databases_are_as_cheap
bench-backup: all ## backups under load beside pg_basebackup and BGSAVE, of RECORDS=1000000 records
	HOLDFASTD=$(abspath $(B)/holdfastd) HOLDFAST=$(abspath $(B)/holdfast) \
	    $(PYTHON) tests/bench/backup_bench.py --records $(or $(RECORDS),1000000)
bench-build: $(B)/holdfastd $(B)/holdfast ## an index built online beside create index concurrently, of RECORDS=1000000; BUILD_FLAGS=--tiny
	HOLDFASTD=$(abspath $(B)/holdfastd) HOLDFAST=$(abspath $(B)/holdfast) \
	    $(PYTHON) tests/bench/build_bench.py --records $(or $(RECORDS),1000000) $(BUILD_FLAGS)
$(B)/tests/bench/tls_load: $(B)/tests/bench/tls/tls_load.o
	$(call say,LD)
	$(Q)$(CC) $(NO_LTO) $(LDFLAGS) -o $@ $^ $(LIB_LIBS) -lpthread
bench-tls: $(B)/holdfastd $(B)/tests/bench/tls_load ## handshakes, reads and writes over TLS beside Redis and PostgreSQL; TLS_FLAGS=--tiny
	HOLDFASTD=$(abspath $(B)/holdfastd) TLS_LOAD=$(abspath $(B)/tests/bench/tls_load) \
	    $(PYTHON) tests/bench/tls_bench.py $(TLS_FLAGS)
bench-level: all ## holdfast-level beside classic-level, which npm installs, also with syncs of 2 ms; three minutes
	@npm install --silent --no-audit --no-fund --prefix client/node
	@npm install --silent --no-audit --no-fund --prefix $(B)/classic-level classic-level
	$(CC) -O2 -shared -fPIC -o $(B)/slow_sync.so tests/bench/disk/slow_sync.c -ldl
	HOLDFASTD=$(abspath $(B)/holdfastd) node client/node/bench/level.js $(B)/classic-level
	HOLDFASTD=$(abspath $(B)/holdfastd) LD_PRELOAD=$(abspath $(B)/slow_sync.so) SYNC_US=2000 \
	    node client/node/bench/level.js $(B)/classic-level sync
SMOKE := $(B)/bench-smoke
bench-smoke: all $(B)/tests/bench/bench ## does the load tool work? every workload, tiny
	@cp docs/performance.md $(SMOKE).md
	@$(BENCH) --full --peers holdfast,core --records 20000 --many 40000 --seconds 0.05 --repeat 1 \
	    --minutes 0.01 --rival-minutes 0.01 --dir $(SMOKE) --markdown $(SMOKE).md $(BENCH_FLAGS) \
	    > $(SMOKE).txt 2>&1 || { tail -20 $(SMOKE).txt; exit 1; }
	@$(MAKE) -s bench-build BUILD_FLAGS=--tiny > $(SMOKE).build 2>&1 || { tail -20 $(SMOKE).build; exit 1; }
	@$(MAKE) -s bench-tls TLS_FLAGS=--tiny > $(SMOKE).tls 2>&1 || { tail -20 $(SMOKE).tls; exit 1; }
	@cmp <(sed '/^## The tables/q' docs/performance.md) <(sed '/^## The tables/q' $(SMOKE).md)

ROUNDS ?= 1000
kill: $(B)/holdfastd ## ROUNDS=1000: kill -9 under load and look what is there
	HOLDFASTD=$(abspath $(B)/holdfastd) $(PYTHON) tests/integration/kill_loop.py --rounds $(ROUNDS)

POINT_MINUTES ?= 60
crash-points: $(B)/tests/test_crash_points ## POINT_MINUTES=60 (0: to the end): the power goes off at every point of all sequences of up to two paths
	@n=$$(nproc); failed=0; pids=; for i in $$(seq 0 $$((n - 1))); do \
	    CRASH_ALL=$$i/$$n PROVE_SECONDS=$$(($(POINT_MINUTES) * 60)) $< & pids="$$pids $$!"; done; \
	    for pid in $$pids; do wait $$pid || failed=1; done; exit $$failed

MINUTES ?= 10
prove: all tests ## MINUTES=10: lives, crashes, faults, fuzzers, histories, kills, mutants; one line of counts
	@$(PYTHON) tests/prove.py --build $(B) --minutes $(MINUTES) $(PROVE_FLAGS)

build-index: $(B)/holdfastd ## RECORDS=1000000: an index built online under writers and kills, and at rest
	HOLDFASTD=$(abspath $(B)/holdfastd) timeout 1800 $(PYTHON) tests/integration/build_index.py \
	    --records $(or $(RECORDS),1000000)

SEED ?= $(shell date +%s)
TEST_LONG_SEEDS ?= 100
test-long: all ## a million random requests against the model, about half an hour
	HOLDFASTD=$(abspath $(B)/holdfastd) $(PYTHON) tests/integration/differential/lives.py \
	    --seed $(FROM) --seeds $(TEST_LONG_SEEDS) --requests 10000
	HOLDFASTD=$(abspath $(B)/holdfastd) $(PYTHON) tests/integration/differential/lives.py --users \
	    --seed $(FROM) --seeds $(TEST_LONG_SEEDS) --requests 3000
	HOLDFASTD=$(abspath $(B)/holdfastd) $(PYTHON) tests/integration/differential/openers.py \
	    --seed $(FROM) --seeds $(TEST_LONG_SEEDS) --steps 500
histories: $(B)/holdfastd ## SECONDS=60 SEED=: histories of many clients, judged for their isolation
	HOLDFASTD=$(abspath $(B)/holdfastd) $(PYTHON) tests/integration/history/load.py \
	    --seconds $(SECONDS) --seed $(SEED) --keep $(B)/histories

OPTIONS_SEED ?= 1
options: $(B)/holdfastd ## OPTIONS_SEED=1: every option at both its ends, alone and in pairs, 4 minutes
	HOLDFASTD=$(abspath $(B)/holdfastd) $(PYTHON) tests/integration/options_walk.py --ends \
	    --seed $(OPTIONS_SEED)

SCALE ?= 1
stress: all ## SCALE=1: what is large, at full size, beside a client that must not wait
	HOLDFASTD=$(abspath $(B)/holdfastd) $(PYTHON) tests/integration/stress.py --scale $(SCALE)

# make install PREFIX=/usr DESTDIR=/some/package
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(PREFIX)/share/doc/holdfast
fill_in = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(LIB_VERSION)|'
install: all ## PREFIX=/usr/local DESTDIR=: programs, library, header, unit, documents
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(PREFIX)/include $(LIBDIR)/pkgconfig \
	    $(UNITDIR) $(DOCDIR)/docs/decisions)
	install $(filter %/holdfast %/holdfastd,$(BINS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 client/lib/holdfast.h client/lib/holdfast_msgpack.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(B)/libholdfast.a $(DESTDIR)$(LIBDIR)
	install -m 644 $(B)/libholdfast.so $(DESTDIR)$(LIBDIR)/libholdfast.so.$(LIB_VERSION)
	ln -sf libholdfast.so.$(LIB_VERSION) $(DESTDIR)$(LIBDIR)/libholdfast.so.$(LIB_SONAME)
	ln -sf libholdfast.so.$(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libholdfast.so
	$(fill_in) client/lib/holdfast.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/holdfast.pc
	$(fill_in) server/holdfastd.service.in > $(DESTDIR)$(UNITDIR)/holdfastd.service
	install -m 644 README.md CHANGELOG.md LICENSE config.example $(DESTDIR)$(DOCDIR)
	install -m 644 $(wildcard docs/*.md) $(DESTDIR)$(DOCDIR)/docs
	install -m 644 $(wildcard docs/decisions/*.md) $(DESTDIR)$(DOCDIR)/docs/decisions

clean: ## remove build/
	rm -rf build
help: ## this list
	@echo 'make [CC=clang] [MODE=asan] TARGET'; echo
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1@\2/p' Makefile | awk -F@ '{printf "  %-12s %s\n", $$1, $$2}'

FORCE:
.PHONY: FORCE session all tests test node conformance unit lint format modules example asan ubsan tsan tsan-run cov fuzz fuzz-run sim \
        mutants prove crash-points test-long bench bench-full bench-locks bench-databases bench-backup bench-build bench-queries bench-tls bench-smoke kill histories options stress install clean help
.PRECIOUS: $(B)/%.o
-include $(shell find $(B) -name '*.d' 2>/dev/null)
