# hashmill: `make` builds build/hashmill-fcgi, build/hashmill-worker and build/hashmill; `make help` lists the rest.

VERSION := 0.1.1
PREFIX ?= /usr/local
BUILD ?= build
# However it was spelled: the compiler's lists of headers name what is built as it was named when it was built.
override BUILD := $(shell realpath -m --relative-base=. -- '$(BUILD)')
ifneq ($(words $(BUILD))$(findstring %,$(BUILD))$(findstring =,$(BUILD))$(findstring :,$(BUILD)),1)
$(error make cannot build in "$(BUILD)"; give it another directory: BUILD=DIR)
endif
# The locale changes what tools print and take for letters; cd looks into CDPATH first.
export LC_ALL := C
unexport CDPATH POSIXLY_CORRECT
CC = gcc
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config

# Every library but jsmn (one header) has a pkg-config file; what is missing is named with its remedy.
LIBRARIES := fcgi sqlite3 libcurl libcrypto uuid zlib
ifeq ($(filter clean deb fresh help lint-docs lint-floors lint-python lint-shell lint-sizes,$(MAKECMDGOALS)),)
ifneq ($(shell $(PKG_CONFIG) --exists $(LIBRARIES) && test -f /usr/include/jsmn.h && echo yes),yes)
$(error a library is missing; install all of them with: apt-get install \
$(shell bash -c '. scripts/build/packages.sh && echo "$${packages_build[@]}"'))
endif
endif
FCGI_LIBS = $(shell $(PKG_CONFIG) --libs fcgi sqlite3 libcurl libcrypto uuid zlib) -lm
WORKER_LIBS = $(shell $(PKG_CONFIG) --libs libcurl libcrypto uuid) -lm -lpthread
CLIENT_LIBS = $(WORKER_LIBS)

SANITIZE_FLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -DHASHMILL_TEST
# SQLite's header shows its session extension only when asked.
SQLITE_FLAGS = -DSQLITE_ENABLE_SESSION -DSQLITE_ENABLE_PREUPDATE_HOOK
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE $(SQLITE_FLAGS) -DHASHMILL_VERSION='"$(VERSION)"' -Wall -Wextra -Werror \
	-Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla $(ROOMS) -Ilib -I$(BUILD) $(CPPFLAGS) $(CFLAGS) $(HARDENING)

# What the compiler has against the use of memory errors; t/install/hardening.t reads it off the programs. It comes
# behind CFLAGS. A compiler without level 3 of _FORTIFY_SOURCE takes it for 2; AddressSanitizer would see less with it.
has = $(if $(shell $(CC) $(CFLAGS) $(1) -Werror -x c -c -o /dev/null /dev/null 2>&1 || echo no),,$(1))
HARDENING := $(foreach flag,-fstack-protector-strong -fstack-clash-protection -fcf-protection,$(call has,$(flag))) \
	$(if $(findstring -fsanitize=address,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
override LDFLAGS += -Wl,-z,relro,-z,now

# A program's headers are named by room; what stands between programs names them by program, too.
$(BUILD)/fcgi/%: ROOMS = -Ifcgi
$(BUILD)/worker/%: ROOMS = -Iworker
$(BUILD)/client/%: ROOMS = -Iclient -Iworker
$(BUILD)/t/% $(BUILD)/sim/% $(BUILD)/shim/% $(BUILD)/crash/% $(BUILD)/flip/% $(BUILD)/fuzz/% $(BUILD)/scripts/% $(BUILD)/bench-lanes: \
	ROOMS = -I. -Ifcgi -Iworker -Iclient -It/support

LIB_SOURCES := $(wildcard lib/*.c)
FCGI_SOURCES := $(filter-out fcgi/postgres/% fcgi/tx/% fcgi/pg_store/%,$(wildcard fcgi/*.c fcgi/*/*.c))
WORKER_SOURCES := $(wildcard worker/*.c worker/*/*.c)
CLIENT_SOURCES := $(wildcard client/*.c client/*/*.c)
TEST_SOURCES := $(filter-out t/unit/postgres/%,$(wildcard t/unit/*/*.c))
FUZZ_SOURCES := $(filter-out t/fuzz/driver.c,$(wildcard t/fuzz/*.c))
BENCH_SOURCES := $(wildcard scripts/bench/*.c scripts/bench/*/*.c)
SQL_SOURCES := $(sort $(wildcard sql/*.sql))

LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
FCGI_OBJECTS := $(FCGI_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/sql.o
# The loops of the hybrid kernels, which hybrid.py writes.
HYBRIDS := $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),avx2_x5 avx512_x17 avx512_x18)
WORKER_OBJECTS := $(WORKER_SOURCES:%.c=$(BUILD)/%.o) $(HYBRIDS:%=$(BUILD)/worker/kernels/hybrid_%.o)
CLIENT_OBJECTS := $(CLIENT_SOURCES:%.c=$(BUILD)/%.o)
MILL_OBJECTS := $(filter $(BUILD)/worker/kernels/% $(BUILD)/worker/mill/%,$(WORKER_OBJECTS)) # what the client has of it
# Unit tests take what they need out of these; the main functions stay out.
TEST_ARCHIVES := $(BUILD)/fcgi.a $(BUILD)/worker.a $(BUILD)/client.a $(BUILD)/lib.a
TEST_PROGRAMS := $(TEST_SOURCES:t/%.c=$(BUILD)/t/%)
# What end-to-end tests start beside the programs: libraries for LD_PRELOAD, and tools.
SHIM_SOURCES := $(wildcard t/support/shim/*.c)
TEST_SHIMS := $(SHIM_SOURCES:t/support/shim/%.c=$(BUILD)/shim/%.so)
CRASH_SOURCES := $(wildcard t/support/crash/*.c)
CRASH_PROGRAMS := $(CRASH_SOURCES:t/support/crash/%.c=$(BUILD)/crash/%)
FLIP_SOURCES := $(wildcard t/support/flip/*.c)
FLIP_PROGRAMS := $(BUILD)/flip/hashmill-worker $(BUILD)/flip/hashmill
FUZZ_PROGRAMS := $(FUZZ_SOURCES:t/fuzz/%.c=$(BUILD)/fuzz/%)

# One short line for each step; make V=1 shows the commands.
ifeq ($(V),1)
quiet =
else
quiet = @echo "  $(1)	$@";
endif

.PHONY: all
all: $(BUILD)/hashmill-fcgi $(BUILD)/hashmill-worker $(BUILD)/hashmill

include scripts/build/postgres.mk

$(BUILD)/hashmill-fcgi: $(FCGI_OBJECTS) $(LIB_OBJECTS)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(FCGI_LIBS)

$(BUILD)/hashmill-worker: $(WORKER_OBJECTS) $(LIB_OBJECTS)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(WORKER_LIBS)

# It has the kernels and the mill of the worker.
$(BUILD)/hashmill: $(CLIENT_OBJECTS) $(MILL_OBJECTS) $(LIB_OBJECTS)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS)

# What the benchmarks compare with: servers with another client side of the queue (client.c, tickets.c), each under
# the usual name in a directory of its own, and a library that makes fsync slow.
BENCH_ENGINES := null full
BENCH_SERVERS := $(BENCH_ENGINES:%=$(BUILD)/%/hashmill-fcgi)

.PHONY: bench-programs
bench-programs: all $(BENCH_SERVERS) $(BUILD)/slow_fsync.so $(BUILD)/bench-lanes $(BUILD)/bench-inserts $(BUILD)/bench-put

$(BENCH_SERVERS): $(BUILD)/%/hashmill-fcgi: $(BUILD)/scripts/bench/queue_%.o \
		$(BUILD)/scripts/bench/no_peers.o $(FCGI_OBJECTS) $(LIB_OBJECTS)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter-out $(BUILD)/fcgi/queue/client%.o $(BUILD)/fcgi/queue/tickets.o,$^) $(FCGI_LIBS)

$(BUILD)/scripts/bench/queue_full.o $(BUILD)/scripts/bench/inserts.o: | $(BUILD)/sql.h

$(BUILD)/slow_fsync.so: scripts/bench/slow_fsync.c
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -shared -fPIC -o $@ $<

$(BUILD)/bench-lanes: scripts/bench/lanes.c $(BUILD)/worker.a $(BUILD)/lib.a
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(WORKER_LIBS)

$(BUILD)/bench-inserts: $(BUILD)/scripts/bench/inserts.o $(BUILD)/fcgi/rows/enqueue_table.o $(BUILD)/fcgi/rows/memory_table.o $(BUILD)/sql.o
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(FCGI_LIBS)

$(BUILD)/bench-put: scripts/bench/references/put.c
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $<

$(BUILD)/fcgi.a: $(filter-out %/main.o,$(FCGI_OBJECTS))
$(BUILD)/worker.a: $(filter-out %/main.o,$(WORKER_OBJECTS))
$(BUILD)/client.a: $(filter-out %/main.o,$(CLIENT_OBJECTS))
$(BUILD)/lib.a: $(LIB_OBJECTS)
$(TEST_ARCHIVES):
	$(call quiet,AR)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/t/%: t/%.c $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(TEST_ARCHIVES) $(FCGI_LIBS) $(WORKER_LIBS)

# Without sanitizers, whatever the build: they go into programs of either kind.
$(BUILD)/shim/%.so: t/support/shim/%.c
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(filter-out -O1 -fsanitize% -fno-sanitize%,$(ALL_CFLAGS)) -O2 $(LDFLAGS) -shared -fPIC -MMD -MP -o $@ $<

# A sweep starts it hundreds of times, and a sanitizer takes longer than the rest of it.
$(BUILD)/crash/kill_child: private ALL_CFLAGS := $(filter-out -O1 -fsanitize% -fno-sanitize%,$(ALL_CFLAGS)) -O2
$(BUILD)/crash/%: t/support/crash/%.c $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(BUILD)/fcgi.a $(BUILD)/lib.a $(FCGI_LIBS)

# A worker and a client whose kernels go wrong: their outcome passes through the wrapper.
$(BUILD)/flip/hashmill-worker: $(FLIP_SOURCES) $(WORKER_OBJECTS) $(LIB_OBJECTS)
$(BUILD)/flip/hashmill: $(FLIP_SOURCES) $(CLIENT_OBJECTS) $(MILL_OBJECTS) $(LIB_OBJECTS)
$(FLIP_PROGRAMS):
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--wrap=kernels_run -o $@ $^ $(WORKER_LIBS)

# Two nodes in one process, under virtual time: what the simulation has of its own goes before the archives, and
# takes the place of these calls of the system. Each of its processes has its own of what SQLite's log said.
SIM_SOURCES := $(wildcard t/sim/*.c)
SIM_OBJECTS := $(SIM_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/sim/store_failures.o
SIM_WRAPS = $(addprefix -Wl$(comma)--wrap=,clock_gettime nanosleep getrandom nice close open socket accept4 epoll_create1 \
	signalfd epoll_pwait poll recv setsockopt posix_fallocate statvfs pwrite pwritev fdatasync fsync rename unlink)
comma := ,

$(BUILD)/sim/store_failures.o: $(BUILD)/fcgi/sqlite/store_failures.o
	@mkdir -p $(@D)
	@objcopy --globalize-symbol=saw_damage --globalize-symbol=saw_no_memory $< $@

$(BUILD)/sim/hashmill-sim: $(SIM_OBJECTS) $(BUILD)/fcgi.a $(BUILD)/lib.a
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(SIM_WRAPS) -o $@ $^ $(FCGI_LIBS)

# SEEDS=N histories on all cores: what was promised, operations a second, and how often each kind of step came.
SEEDS ?= 1000
SEED ?= 1
.PHONY: sim
sim: $(BUILD)/sim/hashmill-sim
	@$< --seed $(SEED) --seeds $(SEEDS) --jobs $$(nproc)

# With FUZZER=-fsanitize=fuzzer libFuzzer is their main function, else t/fuzz/driver.c.
ifneq ($(FUZZER),)
# No input reaches the kernels, which take clang minutes with sanitizers.
$(BUILD)/worker/kernels/sha512_%.o: override CFLAGS = -O1 -g
else ifneq ($(findstring -fsanitize=address,$(CFLAGS)),)
# To watch the thousands of small scopes in them takes gcc half a minute each.
$(BUILD)/worker/kernels/sha512_%.o $(BUILD)/fcgi/hash/sha512_%.o: KERNEL_FLAGS = -fno-sanitize-address-use-after-scope
endif
FUZZ_MAIN := $(if $(FUZZER),,$(BUILD)/t/fuzz/driver.o)

$(BUILD)/fuzz/%: t/fuzz/%.c $(FUZZ_MAIN) $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_CFLAGS) $(FUZZER) $(LDFLAGS) -MMD -MP -o $@ $< $(FUZZ_MAIN) $(TEST_ARCHIVES) \
		$(FCGI_LIBS) $(WORKER_LIBS)

# clang's scheduler undoes the order of the vector kernels, which is what makes them fast.
ifneq ($(findstring clang,$(notdir $(CC))),)
$(BUILD)/worker/kernels/sha512_avx512%.o: KERNEL_FLAGS = -mllvm -enable-misched=0
else
# gcc schedules before it allocates registers: a tenth more instructions, twice as many spills.
$(BUILD)/worker/kernels/sha512_arm.o: KERNEL_FLAGS += -fno-schedule-insns
endif

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/worker/kernels/hybrid_%.S: worker/kernels/hybrid.py
	@mkdir -p $(@D)
	$(call quiet,ASM)$< $* >$@.part && mv $@.part $@

$(BUILD)/%.o: $(BUILD)/%.S
	$(call quiet,AS)$(CC) $(CFLAGS) -c -o $@ $<

# Every statement of sql/ becomes one row of a table of named statements; see scripts/build/sql-table.
$(BUILD)/sql.c $(BUILD)/sql.h &: scripts/build/sql-table $(SQL_SOURCES)
	@mkdir -p $(BUILD)
	$(call quiet,SQL)scripts/build/sql-table $(BUILD)/sql.c $(BUILD)/sql.h $(SQL_SOURCES)

$(BUILD)/sql.o: $(BUILD)/sql.c
	$(call quiet,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(FCGI_OBJECTS): | $(BUILD)/sql.h

-include $(wildcard $(addprefix $(BUILD)/,*.d */*.d */*/*.d */*/*/*.d))

# The build that the tests run: sanitizers on, clocks that a test can move.
.PHONY: sanitized unit-tests test-tools
sanitized: GOALS ?= all unit-tests test-tools
sanitized:
	@$(MAKE) BUILD=$(BUILD)/test CFLAGS="$(SANITIZE_FLAGS)" $(GOALS)

.PHONY: test-shims
test-shims: $(TEST_SHIMS)

unit-tests: $(TEST_PROGRAMS) $(FUZZ_PROGRAMS)

# Each fuzz target for SECONDS; what it finds goes to $(BUILD)/fuzz/.
SECONDS ?= 60
.PHONY: fuzz fuzz-programs
fuzz:
	@test -n "$$(find "$$(clang -print-resource-dir)" -name 'libclang_rt.fuzzer*')" || \
		{ echo "make fuzz needs: apt-get install clang libclang-rt-$$(clang -dumpversion | cut -d. -f1)-dev" >&2; exit 1; }
	@$(MAKE) BUILD=$(BUILD)/fuzz CC=clang FUZZER=-fsanitize=fuzzer \
		CFLAGS="$(SANITIZE_FLAGS) -fsanitize=fuzzer-no-link" fuzz-programs
	@t/tools/fuzz $(BUILD)/fuzz $(SECONDS)

fuzz-programs: $(FUZZ_PROGRAMS)

test-tools: $(BUILD)/sim/hashmill-sim $(TEST_SHIMS) $(CRASH_PROGRAMS) $(FLIP_PROGRAMS) $(BUILD)/bench-put

# All tests; scripts/test.sh installs what they need first, this does not.
.PHONY: test
test:
	scripts/test.sh --no-install

# The tests that take long: ten thousand requests under valgrind, interrupted deployments, each call of the client.
.PHONY: test-slow
test-slow:
	HASHMILL_SLOW=1 scripts/test.sh --no-install t/slow/*.t t/client/every-call.t

# The tests that need root in part: for networks, disks and limits of memory of their own. `make test`
# leaves out what this user has no right to; here that is a failure.
.PHONY: test-root
test-root:
	scripts/test.sh --no-install --root

# The README's two commands on a Debian 12 that is made for it; needs root.
.PHONY: fresh
fresh:
	@scripts/build/fresh

# The server killed before every system call of an enqueue, a lease, a report and a pull; `make test`
# kills it before some of them.
.PHONY: crash-sweep
crash-sweep: sanitized
	HASHMILL_CRASH_STEP=1 prove -v t/faults/crash.t

# A power cut before every sync of a run of a thousand requests; `make test` has a shorter run.
.PHONY: power-cut
power-cut: sanitized
	POWER_CUT_OPERATIONS=1000 POWER_CUT_VARIANTS=3 prove -v t/faults/power-cut.t

# Mistakes made on purpose, a file of t/mutants each: is there a test that notices? MUTANTS='NAME ...'
# for some of them.
.PHONY: mutants
mutants: sanitized
	t/tools/mutate $(MUTANTS)

# Two nodes under a schedule of faults, and a judge: SECONDS=60, SEED= (drawn), COPY=sync. The clocks of
# this build can be moved; it has no sanitizer that needs more memory than a process may be given.
SOAK_FLAGS := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined -DHASHMILL_TEST

.PHONY: soak soak-programs
soak: soak-programs
	@BUILD=$(BUILD)/soak t/tools/soak SECONDS=$(SECONDS) SEED=$(SEED) COPY=$(COPY)

soak-programs:
	@$(MAKE) BUILD=$(BUILD)/soak CFLAGS="$(SOAK_FLAGS)" all test-shims

# The kernels' and the lanes' figures; with CHECK=1 it fails when one misses its bound.
.PHONY: bench-mill
bench-mill:
	@BUILD=$(BUILD) scripts/bench/bench-mill --no-install

# A whole worker against a node on this machine; CHECK=1 makes a missed bound an error.
.PHONY: bench-worker
bench-worker: all
	@BUILD=$(BUILD) scripts/bench/bench-worker

# How fast the queue is, beside what it is judged by; CHECK=1 fails when a bound is missed.
.PHONY: bench bench-quick
bench:
	@BUILD=$(BUILD) scripts/bench.sh $(if $(filter 1,$(CHECK)),--check)

bench-quick:
	@BUILD=$(BUILD) scripts/bench.sh --quick $(if $(filter 1,$(CHECK)),--check)

C_FILES = $(LIB_SOURCES) $(FCGI_SOURCES) $(WORKER_SOURCES) $(CLIENT_SOURCES) $(TEST_SOURCES) $(BENCH_SOURCES) \
	$(SHIM_SOURCES) $(CRASH_SOURCES) $(FLIP_SOURCES) $(SIM_SOURCES) $(wildcard t/fuzz/*.c t/support/plain/*.c) \
	$(POSTGRES_SOURCES)
H_FILES = $(wildcard lib/*.h lib/*/*.h fcgi/*.h fcgi/*/*.h worker/*.h worker/*/*.h client/*.h client/*/*.h t/*/*.h t/*/*/*.h)
PERL_FILES = scripts/bench/bench-worker scripts/build/lint-docs scripts/build/lint-floors t/tools/soak t/tools/idle-worker t/tools/mutate t/tools/screenshots t/support/guard t/support/postgres
PYTHON_FILES = $(wildcard scripts/bench/*.py scripts/bench/*/*.py t/support/*.py)
SHELL_FILES = $(wildcard scripts/*.sh scripts/run/*.sh scripts/aws/*.sh debian/*.p* t/install/hosts/*.sh scripts/aws/*.sh.in) \
	$(addprefix scripts/,aws/ec2-node aws/ec2-start aws/ec2-volume aws/spot-watch bench/bench-mill build/fresh build/from-help \
	build/lint-commits build/packages.sh build/sql-table install/nginx-site providers/provider-ec2 providers/provider-local) \
	t/tools/fuzz t/tools/provider .ci/run
LONG_FILES = $(C_FILES) $(H_FILES) $(SHELL_FILES) $(PERL_FILES) $(PYTHON_FILES) Makefile debian/rules \
	$(wildcard scripts/bench/*.* scripts/build/*.mk sql/*.sql sql/*/*.sql nginx/*.* nginx/page/* scripts/install/* debian/hashmill.* scripts/aws/*.json grafana/* prometheus/*) \
	$(wildcard t/*/*.t $(addprefix t/support/,*.pm */*.pm */*/*.pm))

.PHONY: lint lint-c lint-shell lint-python lint-sizes lint-floors lint-docs
lint: lint-shell lint-python lint-sizes lint-floors lint-docs lint-c
	@t/tools/mutate --check
	@$(MAKE) CC=clang BUILD=$(BUILD)/clang bench-programs unit-tests test-tools

# What has parts for aarch64 is looked at as a compiler for aarch64 sees it, too.
ARM_FILES = worker/kernels/sha512_arm.c worker/kernels/kernels.c

# cppcheck reads no system header but the one whose macros it must see through.
QUEUE_H = /usr/include/$(shell $(CC) -dumpmachine)/sys/queue.h
LINT_FLAGS = -D_GNU_SOURCE $(SQLITE_FLAGS) -DHASHMILL_VERSION='""' -DHASHMILL_TEST -I. -Ilib -Ifcgi -Iworker -Iclient -It/support -I$(BUILD) \
	$(POSTGRES_FLAGS)

lint-c: $(BUILD)/sql.h $(if $(HAVE_POSTGRES),$(BUILD)/pg_sql.h)
	@echo "  LINT	clang-format, cppcheck, clang-tidy"
	@clang-format --dry-run -Werror $(C_FILES) $(H_FILES)
	@cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --std=c11 --include=$(QUEUE_H) $(LINT_FLAGS) $(C_FILES)
	@printf '%s\n' $(C_FILES) | xargs -P 2 -I FILE \
		clang-tidy --quiet FILE -- -std=c17 $(LINT_FLAGS) 2>/dev/null
	@clang-tidy --quiet $(ARM_FILES) -- --target=aarch64-linux-gnu -std=c17 $(LINT_FLAGS) 2>/dev/null

lint-shell:
	shellcheck -x $(SHELL_FILES)
	@for file in $(PERL_FILES); do perl -It/support -cw $$file 2>&1 | grep -v 'syntax OK' && exit 1; done; true

lint-python:
	@/usr/bin/python3 -m pyflakes $(PYTHON_FILES)

# A room of fcgi/ and worker/ includes what the table of docs/design.md allows it.
lint-floors:
	@scripts/build/lint-floors

# Links, anchors and paths of the documentation lead somewhere.
lint-docs:
	@scripts/build/lint-docs

ROOMS_OF_FILES = client debian docs fcgi grafana lib nginx prometheus scripts sql t worker

# No file over 500 lines, no folder of more than 30 files; .clang-tidy has the bound for functions.
lint-sizes:
	@find $(ROOMS_OF_FILES) -type f -not -path '*/seeds/*' -not -path '*/__pycache__/*' -printf '%h\n' | sort | uniq -c | \
		awk '$$1 > 30 { print $$2 "/: " $$1 " files"; bad = 1 } END { exit bad }'
	@wc -l $(LONG_FILES) | awk '$$1 > 500 && $$2 != "total" { print $$2 ": " $$1 " lines"; bad = 1 } END { exit bad }'

# Manual pages and settings files are made of what the programs print as --help.
MANUALS := $(BUILD)/hashmill-fcgi.8 $(BUILD)/hashmill-worker.8
USER_MANUALS := $(BUILD)/hashmill.1
COMPLETION := $(BUILD)/hashmill.bash
SETTINGS := $(BUILD)/hashmill.env $(BUILD)/worker.env
NODE_SETTINGS = DATABASE=/var/lib/hashmill/hashmill.db RUN_DIR=/run/hashmill SOCKET_GROUP=www-data
WORKER_SETTINGS = NODES=http://127.0.0.1:8081 IDLE_SECONDS=0

.PHONY: generated
generated: $(MANUALS) $(USER_MANUALS) $(COMPLETION) $(SETTINGS)

$(MANUALS): $(BUILD)/%.8: $(BUILD)/% scripts/build/from-help
	$(call quiet,MAN)scripts/build/from-help man $< >$@.new && mv $@.new $@

$(USER_MANUALS): $(BUILD)/%.1: $(BUILD)/% scripts/build/from-help
	$(call quiet,MAN)scripts/build/from-help man $< 1 >$@.new && mv $@.new $@

$(COMPLETION): $(BUILD)/hashmill
	$(call quiet,BASH)$< completion bash >$@.new && mv $@.new $@

$(BUILD)/hashmill.env: $(BUILD)/hashmill-fcgi scripts/build/from-help
	$(call quiet,ENV)scripts/build/from-help env $< $(NODE_SETTINGS) >$@.new && mv $@.new $@

$(BUILD)/worker.env: $(BUILD)/hashmill-worker scripts/build/from-help
	$(call quiet,ENV)scripts/build/from-help env $< $(WORKER_SETTINGS) >$@.new && mv $@.new $@

# What is installed of scripts/; the others need this tree.
INSTALLED_SCRIPTS = $(addprefix scripts/,providers/provider-local providers/provider-ec2 install/nginx-site tls.sh backup.sh \
	backup-daily.sh aws/spot-watch aws/ec2-node aws/ec2-start aws/ec2-volume)
SHARE = $(DESTDIR)$(PREFIX)/share

.PHONY: install install-server install-client
install: install-server install-client

install-server: $(BUILD)/hashmill-fcgi $(BUILD)/hashmill-worker $(MANUALS)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/hashmill $(SHARE)/man/man8 \
		$(SHARE)/hashmill/nginx $(SHARE)/hashmill/page $(SHARE)/hashmill/sql $(SHARE)/hashmill/ec2 $(SHARE)/doc/hashmill
	install -m 755 $(BUILD)/hashmill-fcgi $(BUILD)/hashmill-worker $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(INSTALLED_SCRIPTS) $(DESTDIR)$(PREFIX)/lib/hashmill
	install -m 644 $(wildcard nginx/*.*) $(SHARE)/hashmill/nginx
	install -m 644 nginx/page/* $(SHARE)/hashmill/page
	sed -i 's|/usr/share/hashmill|$(PREFIX)/share/hashmill|' $(addprefix $(SHARE)/hashmill/nginx/,site.conf hashmill-http.conf)
	install -m 644 docs/openapi.yaml $(SHARE)/hashmill
	install -D -m 644 -t $(SHARE)/hashmill/grafana grafana/*
	install -D -m 644 -t $(SHARE)/hashmill/prometheus prometheus/*
	install -m 644 sql/*.sql $(SHARE)/hashmill/sql
	install -m 644 scripts/aws/*.json scripts/aws/*.in $(SHARE)/hashmill/ec2
	install -m 644 $(MANUALS) $(SHARE)/man/man8
	install -d $(SHARE)/doc/hashmill/docs
	install -m 644 README.md CONTRIBUTING.md SECURITY.md $(SHARE)/doc/hashmill
	install -m 644 docs/* $(SHARE)/doc/hashmill/docs

# The client program, with nothing of the server.
install-client: $(BUILD)/hashmill $(USER_MANUALS) $(COMPLETION)
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/bash-completion/completions $(SHARE)/doc/hashmill-client
	install -m 755 $(BUILD)/hashmill $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(USER_MANUALS) $(SHARE)/man/man1
	install -m 644 $(COMPLETION) $(SHARE)/bash-completion/completions/hashmill
	install -m 644 docs/client.md $(SHARE)/doc/hashmill-client

# What the package has besides: units, settings, the site, the system user. For PREFIX=/usr only.
.PHONY: install-node
install-node: install-server $(SETTINGS)
	install -d $(DESTDIR)/lib/systemd/system $(DESTDIR)/usr/lib/sysusers.d \
		$(DESTDIR)/etc/hashmill/nginx $(DESTDIR)/etc/nginx/sites-available
	install -m 644 $(wildcard scripts/install/*.service scripts/install/*.timer) $(DESTDIR)/lib/systemd/system
	install -m 644 scripts/install/sysusers.conf $(DESTDIR)/usr/lib/sysusers.d/hashmill.conf
	install -m 644 $(SETTINGS) $(DESTDIR)/etc/hashmill
	install -m 644 nginx/site.conf $(DESTDIR)/etc/nginx/sites-available/hashmill
	install -m 644 nginx/listen-public-plain.conf $(DESTDIR)/etc/hashmill/nginx/listen-public.conf
	install -m 644 nginx/listen-worker-plain.conf $(DESTDIR)/etc/hashmill/nginx/listen-worker.conf
	install -m 644 nginx/listen-metrics-plain.conf $(DESTDIR)/etc/hashmill/nginx/listen-metrics.conf

# Debian's own tools build the package, in a copy of the tree and with nothing of this make's settings but
# the version.
DEB_COPY = $(BUILD)/deb/hashmill-$(VERSION)

.PHONY: deb
deb:
	@command -v dpkg-buildpackage dh >/dev/null || { echo 'apt-get install dpkg-dev debhelper' >&2; exit 1; }
	rm -rf $(DEB_COPY)
	mkdir -p $(DEB_COPY)
	cp -a Makefile CONTRIBUTING.md README.md SECURITY.md client debian docs fcgi grafana lib nginx prometheus scripts sql worker $(DEB_COPY)
	sed -i '1s/(.*)/($(VERSION))/' $(DEB_COPY)/debian/changelog
	cd $(DEB_COPY) && env -u MAKEFLAGS -u MAKEOVERRIDES -u BUILD -u PREFIX -u CFLAGS \
		dpkg-buildpackage --build=binary --no-sign
	mv $(BUILD)/deb/hashmill_$(VERSION)_*.deb $(BUILD)/deb/hashmill-client_$(VERSION)_*.deb $(BUILD)
	@ls $(BUILD)/hashmill_$(VERSION)_*.deb $(BUILD)/hashmill-client_$(VERSION)_*.deb

.PHONY: clean
clean:
	@d=$$(realpath -m -- '$(BUILD)'); case "$$(pwd -P)/" in "$${d%/}"/*) \
		echo "$$d holds this tree: it stays" >&2; exit 1 ;; esac
	rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'make              build/hashmill-fcgi, build/hashmill-worker, build/hashmill (V=1 shows the commands)'
	@echo 'make test         build with and without sanitizers, run all tests'
	@echo 'make test-slow    the tests that take long (valgrind)'
	@echo 'make test-root    the tests that need root: networks, small disks, limits of memory'
	@echo 'make fresh        scripts/run.sh --demo and scripts/test.sh on a fresh Debian 12, made for it; needs root'
	@echo 'make crash-sweep  the server killed at every system call of an enqueue, a lease, a report, a pull'
	@echo 'make power-cut    a power cut before every sync of a run of a thousand requests'
	@echo 'make mutants      mistakes made on purpose (t/mutants): which test notices which (MUTANTS=NAMES)'
	@echo 'make soak         two nodes under faults drawn by SEED= for SECONDS=60, and a judge of what came of it'
	@echo 'make sim          two nodes in one process and virtual time: SEEDS=1000 histories from SEED=1, judged'
	@echo 'make fuzz         every reader of what comes from outside, SECONDS=60 each, under libFuzzer'
	@echo 'make bench        measure the queue beside its references; CHECK=1: exit 1 when a bound is missed'
	@echo 'make bench-quick  the main ratios in about a minute'
	@echo 'make bench-programs   what the benchmarks compare with'
	@echo 'make bench-worker a whole worker against a node: its share of what its kernels do (CHECK=1)'
	@echo 'make bench-mill   what kernels and lanes do, beside OpenSSL and Python (CHECK=1 judges)'
	@echo 'make lint         clang-format, clang-tidy, cppcheck, shellcheck, pyflakes, and a build by clang'
	@echo 'make lint-floors  only: which room includes what (docs/design.md); lint-docs: links and paths'
	@echo 'make install      to DESTDIR and PREFIX ($(PREFIX))'
	@echo 'make deb          $(BUILD)/hashmill_$(VERSION)_ARCH.deb, with units, site and settings, and hashmill-client'
	@echo 'make clean        remove $(BUILD)/'
	@echo 'Variables: BUILD=DIR, CC=clang, CFLAGS=...'
