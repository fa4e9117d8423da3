# The rooms fcgi/postgres, fcgi/tx and fcgi/pg_store and their tests, for machines that have libpq (libpq-dev) with pipelines; no program is linked
# with it yet.

HAVE_POSTGRES := $(shell $(PKG_CONFIG) --exists 'libpq >= 14' 2>/dev/null && echo yes)
ifneq ($(HAVE_POSTGRES),)
POSTGRES_TESTS := $(wildcard t/unit/postgres/*.c)
POSTGRES_CODE := $(wildcard fcgi/postgres/*.c fcgi/tx/*.c fcgi/pg_store/*.c)
POSTGRES_SOURCES := $(POSTGRES_CODE) $(POSTGRES_TESTS)
POSTGRES_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(POSTGRES_CODE)) $(BUILD)/pg_sql.o
POSTGRES_PROGRAMS := $(POSTGRES_TESTS:t/%.c=$(BUILD)/t/%)
POSTGRES_FLAGS := $(shell $(PKG_CONFIG) --cflags libpq)
POSTGRES_LIBS := $(shell $(PKG_CONFIG) --libs libpq)
POSTGRES_SQL := $(sort $(wildcard sql/postgres/*.sql))

$(BUILD)/pg_sql.c $(BUILD)/pg_sql.h &: scripts/build/sql-table $(POSTGRES_SQL)
	@mkdir -p $(BUILD)
	$(call quiet,SQL)scripts/build/sql-table $(BUILD)/pg_sql.c $(BUILD)/pg_sql.h $(POSTGRES_SQL)

$(BUILD)/pg_sql.o: $(BUILD)/pg_sql.c
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(POSTGRES_OBJECTS): | $(BUILD)/pg_sql.h
$(BUILD)/fcgi/postgres/% $(BUILD)/fcgi/tx/% $(BUILD)/fcgi/pg_store/%: private CPPFLAGS += $(POSTGRES_FLAGS)

$(BUILD)/postgres.a: $(POSTGRES_OBJECTS)
	$(call quiet,AR)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/t/unit/postgres/%: t/unit/postgres/%.c $(BUILD)/postgres.a $(BUILD)/fcgi.a $(BUILD)/lib.a
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(POSTGRES_FLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(BUILD)/postgres.a $(BUILD)/fcgi.a \
		$(BUILD)/lib.a $(FCGI_LIBS) $(POSTGRES_LIBS)

unit-tests: $(POSTGRES_PROGRAMS)
endif
