# Holdfast. `make` builds the daemon, the client and the library into build/;
# `make test` runs the tests; `make help` lists the rest.
SHELL := /bin/bash
MODE ?= release
B := build/$(MODE)
CC ?= gcc
PKGS := libuv msgpack liblz4 libxxhash
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wno-unused-parameter -Wpointer-arith -Wundef
CFLAGS_release := -O2 -g
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -g -fsanitize=thread
CFLAGS_cov := -O0 -g --coverage
CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -fPIC -fvisibility=hidden $(WARN) $(CFLAGS_$(MODE)) $(EXTRA_CFLAGS)
LDFLAGS := $(filter -fsanitize% --coverage,$(CFLAGS_$(MODE)))
LIBS := -luv -lmsgpackc -llz4 -lxxhash -lpthread -lm
CLI_LIBS := -ledit -lutf8proc -lm
CHECK_LIBS := -lcheck -lsubunit -lrt

PROTO := $(wildcard proto/*.c)
CORE := $(wildcard server/base/*.c server/store/*.c server/txn/*.c) \
        $(filter-out server/os/os_uv.c,$(wildcard server/os/*.c))
NET := $(wildcard server/net/*.c) $(wildcard server/os/os_uv.c)
LIB := $(wildcard client/lib/*.c)
CLI := $(wildcard client/cli/*.c)
FAKE := $(wildcard tests/integration/fake_*.c)
LIB_SONAME := 0
LIB_VERSION := $(LIB_SONAME).1.0
SIM := $(wildcard tests/sim/*.c)
UNIT := $(wildcard tests/unit/test_*.c)
RIG := $(filter-out $(UNIT),$(wildcard tests/unit/*.c))

obj = $(patsubst %.c,$(B)/%.o,$(1))
UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT))
BINS := $(if $(wildcard server/main.c),$(B)/holdfastd) $(if $(CLI),$(B)/holdfast) \
        $(if $(LIB),$(B)/libholdfast.a $(B)/libholdfast.so)

all: $(BINS)
tests: $(UNIT_BINS)

$(B)/libproto.a: $(call obj,$(PROTO))
$(B)/libcore.a: $(call obj,$(CORE))
$(B)/libnet.a: $(call obj,$(NET))
$(B)/libsim.a: $(call obj,$(SIM)) $(call obj,$(RIG))
$(B)/libholdfast.a: $(B)/libholdfast.o
$(B)/%.a:
	@rm -f $@
	ar rcs $@ $^

# One object whose hidden symbols are local, so that linking the static library
# shows a program no more names than the shared one does.
$(B)/libholdfast.o: $(call obj,$(LIB)) $(call obj,$(PROTO))
	ld -r -o $@ $^
	objcopy --localize-hidden $@

$(B)/libholdfast.so: $(call obj,$(LIB)) $(call obj,$(PROTO))
	$(CC) -shared -Wl,-soname,libholdfast.so.$(LIB_SONAME) $(LDFLAGS) -o $@ $^

$(B)/holdfastd: $(B)/server/main.o $(B)/libnet.a $(B)/libcore.a $(B)/libproto.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/holdfast: $(call obj,$(CLI)) $(B)/libholdfast.a $(B)/libproto.a
	$(CC) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

# The client's tests see its inside, and a small server of their own.
$(B)/libclient.a: $(call obj,$(LIB) $(filter-out client/cli/main.c,$(CLI)) $(FAKE))
$(B)/tests/test_client_%: $(B)/tests/unit/test_client_%.o $(B)/libclient.a $(B)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) -lmsgpackc $(CLI_LIBS) -lpthread

$(B)/tests/%: $(B)/tests/unit/%.o $(B)/libsim.a $(B)/libnet.a $(B)/libcore.a $(B)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(B)/libsim.a $(B)/libnet.a $(B)/libcore.a $(B)/libproto.a $(CHECK_LIBS) $(LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

unit: $(UNIT_BINS)
	@set -e; for t in $(UNIT_BINS); do $$t; done

test: all unit

# make install PREFIX=/usr DESTDIR=/tmp/package
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig
	install $(B)/holdfast $(wildcard $(B)/holdfastd) $(DESTDIR)$(PREFIX)/bin
	install -m 644 client/lib/holdfast.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(B)/libholdfast.a $(DESTDIR)$(LIBDIR)
	install -m 644 $(B)/libholdfast.so $(DESTDIR)$(LIBDIR)/libholdfast.so.$(LIB_VERSION)
	ln -sf libholdfast.so.$(LIB_VERSION) $(DESTDIR)$(LIBDIR)/libholdfast.so.$(LIB_SONAME)
	ln -sf libholdfast.so.$(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libholdfast.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(LIB_VERSION)|' \
	    client/lib/holdfast.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/holdfast.pc
clean:
	rm -rf build
.PHONY: all tests unit test install clean
.PRECIOUS: $(B)/%.o
-include $(shell find $(B) -name '*.d' 2>/dev/null)
