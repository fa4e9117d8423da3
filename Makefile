# hashmill: `make` builds build/hashmill-fcgi and build/hashmill-worker; `make help` lists the rest.

VERSION := 0.1.0
PREFIX ?= /usr/local
BUILD ?= build
CC = gcc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
PACKAGES := libfcgi-dev libsqlite3-dev libcurl4-openssl-dev libssl-dev libjsmn-dev uuid-dev

# Every library but jsmn (one header) has a pkg-config file; what is missing is named with its remedy.
LIBRARIES := fcgi sqlite3 libcurl libcrypto uuid
ifeq ($(filter clean help lint-shell,$(MAKECMDGOALS)),)
ifneq ($(shell $(PKG_CONFIG) --exists $(LIBRARIES) && test -f /usr/include/jsmn.h && echo yes),yes)
$(error a library is missing; install all of them with: apt-get install pkg-config $(PACKAGES))
endif
endif
FCGI_LIBS = $(shell $(PKG_CONFIG) --libs fcgi sqlite3 libcrypto uuid) -lm
WORKER_LIBS = $(shell $(PKG_CONFIG) --libs libcurl libcrypto uuid) -lm -lpthread

SANITIZE_FLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -DHASHMILL_TEST
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DHASHMILL_VERSION='"$(VERSION)"' -Wall -Wextra -Werror \
	-Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla -Ilib -I$(BUILD) $(CFLAGS)

LIB_SOURCES := $(wildcard lib/*.c)
FCGI_SOURCES := $(wildcard fcgi/*.c)
WORKER_SOURCES := $(wildcard worker/*.c)
TEST_SOURCES := $(wildcard t/*.c)
SQL_SOURCES := $(sort $(wildcard sql/*.sql))

LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
FCGI_OBJECTS := $(FCGI_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/sql.o
WORKER_OBJECTS := $(WORKER_SOURCES:%.c=$(BUILD)/%.o)
# Unit tests take what they need out of these; the main functions stay out.
TEST_ARCHIVES := $(BUILD)/fcgi.a $(BUILD)/worker.a $(BUILD)/lib.a
TEST_PROGRAMS := $(TEST_SOURCES:t/%.c=$(BUILD)/t/%)
# Only the worker and, later, peers speak HTTP as clients.
FCGI_LIB_OBJECTS := $(filter-out $(BUILD)/lib/http.o,$(LIB_OBJECTS))

# One short line for each step; make V=1 shows the commands.
ifeq ($(V),1)
quiet =
else
quiet = @echo "  $(1)	$@";
endif

.PHONY: all
all: $(BUILD)/hashmill-fcgi $(BUILD)/hashmill-worker

$(BUILD)/hashmill-fcgi: $(FCGI_OBJECTS) $(FCGI_LIB_OBJECTS)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(FCGI_LIBS)

$(BUILD)/hashmill-worker: $(WORKER_OBJECTS) $(LIB_OBJECTS)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(WORKER_LIBS)

$(BUILD)/fcgi.a: $(filter-out %/main.o,$(FCGI_OBJECTS))
$(BUILD)/worker.a: $(filter-out %/main.o,$(WORKER_OBJECTS))
$(BUILD)/lib.a: $(LIB_OBJECTS)
$(TEST_ARCHIVES):
	$(call quiet,AR)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/t/%: t/%.c $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(TEST_ARCHIVES) $(FCGI_LIBS) $(WORKER_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Every statement of sql/ becomes one row of a table of named statements; see scripts/sql-table.
$(BUILD)/sql.c $(BUILD)/sql.h &: scripts/sql-table $(SQL_SOURCES)
	@mkdir -p $(BUILD)
	$(call quiet,SQL)scripts/sql-table $(BUILD)/sql.c $(BUILD)/sql.h $(SQL_SOURCES)

$(BUILD)/sql.o: $(BUILD)/sql.c
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(FCGI_OBJECTS): | $(BUILD)/sql.h

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*.d)
