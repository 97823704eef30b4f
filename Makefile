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
CHECK_LIBS := -lcheck -lsubunit -lrt

PROTO := $(wildcard proto/*.c)
CORE := $(wildcard server/base/*.c server/store/*.c server/txn/*.c) \
        $(filter-out server/os/os_uv.c,$(wildcard server/os/*.c))
NET := $(wildcard server/net/*.c) $(wildcard server/os/os_uv.c)
LIB := $(wildcard client/lib/*.c)
CLI := $(wildcard client/cli/*.c)
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
$(B)/libholdfast.a: $(call obj,$(LIB)) $(call obj,$(PROTO))
$(B)/%.a:
	@rm -f $@
	ar rcs $@ $^

$(B)/libholdfast.so: $(call obj,$(LIB)) $(call obj,$(PROTO))
	$(CC) -shared -Wl,-soname,libholdfast.so.0 $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/holdfastd: $(B)/server/main.o $(B)/libnet.a $(B)/libcore.a $(B)/libproto.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/holdfast: $(call obj,$(CLI)) $(B)/libholdfast.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -ledit -lutf8proc

$(B)/tests/%: $(B)/tests/unit/%.o $(B)/libsim.a $(B)/libnet.a $(B)/libcore.a $(B)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(B)/libsim.a $(B)/libnet.a $(B)/libcore.a $(B)/libproto.a $(CHECK_LIBS) $(LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

unit: $(UNIT_BINS)
	@set -e; for t in $(UNIT_BINS); do $$t; done

test: all unit
clean:
	rm -rf build
.PHONY: all tests unit test clean
.PRECIOUS: $(B)/%.o
-include $(shell find $(B) -name '*.d' 2>/dev/null)
