/*
 * The decision of the scaler, case by case: what is known, then what is decided. This is its
 * specification, with scaling-loans.c. All times are in seconds here; a machine computes 100
 * iterations a second, takes 60 s to boot, and an item may wait 15 s.
 */
#include "fixture.h"

struct launch_case {
    const char *name;
    int wait;    /* s, of the item that waits longest */
    int work;    /* iterations to do */
    int outside; /* rate of workers that nobody launched */
    struct a machines[8];
    int launch;
    enum scaling_reason reason;
};

static const struct launch_case launch_cases[] = {
    /* The rule of 15 seconds. */
    {"an empty queue launches nothing", 0, 0, 0, {{0}}, 0, REASON_NONE},
    {"an item that has waited 15 s launches nothing", 15, 1, 0, {{0}}, 0, REASON_NONE},
    {"one that has waited longer launches a machine", 16, 1, 0, {{0}}, 1, REASON_WAIT},
    {"so does one that workers elsewhere are too slow for", 16, 6001, 100, {{0}}, 1, REASON_WAIT},

    /* Several at once. */
    {"work for three launches three", 16, SECONDS_OF_WORK(3, 120), 0, {{0}}, 3, REASON_WAIT},
    {"no more than 3 whatever the work is", 16, 1000000000, 0, {{0}}, 3, REASON_WAIT},
    {"a second one only if both work as long as they boot",
     16,
     SECONDS_OF_WORK(2, 60),
     0,
     {{0}},
     2,
     REASON_WAIT},
    {"else one", 16, SECONDS_OF_WORK(2, 60) - 1, 0, {{0}}, 1, REASON_WAIT},
    {"beside one that runs, as many as still have work when they have booted",
     16,
     SECONDS_OF_WORK(1, 60) + SECONDS_OF_WORK(3, 60),
     0,
     {{.what = RUNNING}},
     2,
     REASON_WAIT},

    /* The limit of 3. */
    {"two that run leave room for one",
     16,
     1000000,
     0,
     {{.what = RUNNING}, {.what = RUNNING}},
     1,
     REASON_WAIT},
    {"three that run leave none",
     16,
     1000000,
     0,
     {{.what = RUNNING}, {.what = RUNNING}, {.what = RUNNING}},
     0,
     REASON_LIMIT},
    {"those that boot count",
     16,
     1000000000,
     0,
     {{.what = BOOTING}, {.what = LAUNCHING}, {.what = RUNNING}},
     0,
     REASON_LIMIT},
    {"those that leave count until they are gone",
     16,
     1000000,
     0,
     {{.what = LEAVING}, {.what = LEAVING}, {.what = RUNNING}},
     0,
     REASON_LIMIT},
    {"strays count",
     16,
     1000000,
     0,
     {{.what = STRAY}, {.what = STRAY}, {.what = RUNNING}},
     0,
     REASON_LIMIT},
    {"one that was launched three times counts three times",
     16,
     1000000,
     0,
     {{.what = RUNNING, .copies = 3}},
     0,
     REASON_LIMIT},
    {"what is gone by this decision does not count",
     16,
     1000000,
     0,
     {{.what = LEAVING, .listing = LISTING_ABSENT, .fresh = true},
      {.what = RUNNING},
      {.what = RUNNING}},
     1,
     REASON_WAIT},

    /* Drained by then. */
    {"none if those that run have done all before it boots",
     16,
     SECONDS_OF_WORK(1, 60),
     0,
     {{.what = RUNNING}},
     0,
     REASON_DRAINED},
    {"one if there is more",
     16,
     SECONDS_OF_WORK(1, 60) + 1,
     0,
     {{.what = RUNNING}},
     1,
     REASON_WAIT},
    {"workers that nobody launched do work, too", 16, 6000, RATE, {{0}}, 0, REASON_DRAINED},
    {"a promise that was not kept is not believed",
     15 + BOOT + 1,
     100,
     0,
     {{.what = RUNNING}},
     1,
     REASON_WAIT},
    {"a silent one does no work", 16, 100, 0, {{.what = RUNNING, .heard = 61}}, 1, REASON_WAIT},
    {"a leaving one neither", 16, 100, 0, {{.what = LEAVING, .items = 1}}, 1, REASON_WAIT},

    /* Booting ones are capacity. */
    {"one that boots is waited for", 16, 100, 0, {{.what = BOOTING, .age = 10}}, 0, REASON_BOOTING},
    {"also when its launch is not answered yet",
     16,
     100,
     0,
     {{.what = LAUNCHING, .age = 1}},
     0,
     REASON_BOOTING},
    {"three that were launched for the work are enough a second later",
     17,
     SECONDS_OF_WORK(2, 60),
     0,
     {{.what = BOOTING, .age = 1}, {.what = BOOTING, .age = 1}},
     0,
     REASON_BOOTING},
    {"more work has more launched beside it",
     16,
     SECONDS_OF_WORK(3, 120),
     0,
     {{.what = BOOTING, .age = 1}},
     2,
     REASON_WAIT},
    {"one that takes much longer than usual is not waited for",
     16,
     100,
     0,
     {{.what = BOOTING, .age = 2 * BOOT + 6}},
     1,
     REASON_WAIT},
    {"unless it is the provider that takes long",
     16,
     100,
     0,
     {{.what = LAUNCHING, .age = 2 * BOOT + 6}},
     0,
     REASON_BOOTING},
    {"while a launch fails no other is tried",
     16,
     1000000,
     0,
     {{.what = FAILING, .age = 3}},
     0,
     REASON_FAILING},
};

static void test_launches(void) {
    for (size_t i = 0; i < sizeof launch_cases / sizeof *launch_cases; i++) {
        const struct launch_case *row = &launch_cases[i];
        struct scaling_snapshot snapshot =
            snapshot_of(row->wait, row->work, row->outside, row->machines);
        struct scaling_decision decision;
        scaling_decide(&snapshot, &decision);
        bool good = decision.launch == row->launch && decision.reason == row->reason;
        if (!ok(good, "%s", row->name))
            printf("# launches %d for reason %d, not %d for %d\n", decision.launch, decision.reason,
                   row->launch, row->reason);
    }
}

/* What the cases above leave as it is. */
static void test_other_launches(void) {
    static const struct a none[] = {{0}};
    static const struct a one[] = {{.what = RUNNING}, {0}};
    static const struct a boots[] = {{.what = BOOTING, .age = 5}, {0}};
    struct scaling_decision decision;
    struct scaling_snapshot snapshot = snapshot_of(0, 0, 0, none);
    snapshot.rules.workers_min = 2;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 2, "WORKERS_MIN: they are launched though nothing waits");
    is_int(decision.reason, REASON_MIN, "for that reason");
    snapshot = snapshot_of(0, 0, 0, one);
    snapshot.rules.workers_min = 2;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 1, "as many as are missing");
    snapshot = snapshot_of(0, 0, 0, boots);
    snapshot.rules.workers_min = 1;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 0, "one that boots is not missing");
    snapshot = snapshot_of(16, 1000000, 0, none);
    snapshot.rules.workers_min = 1;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 3, "what waits may need more than WORKERS_MIN");
    snapshot = snapshot_of(16, 1000000, 0, none);
    snapshot.machine_rate = 0;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 1, "as long as nobody knows a machine's rate, one is launched");
    snapshot = snapshot_of(17, 1000000, 0, boots);
    snapshot.machine_rate = 0;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 0, "and waited for");
    is_int(decision.reason, REASON_BOOTING, "for that reason");
    snapshot = snapshot_of(16, 1000000000, 0, none);
    snapshot.waiting = 1;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 1, "one item is one machine's work, however long it is");
    snapshot = snapshot_of(17, 1000000000, 0, boots);
    snapshot.waiting = 2;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 1, "two items are two's, also if one of these boots already");
    snapshot = snapshot_of(16, 1000000, 0, none);
    snapshot.rules.workers_max = 0;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 0, "WORKERS_MAX 0 launches none");
    snapshot = snapshot_of(16, SECONDS_OF_WORK(3, 14), 0, none);
    snapshot.boot_ms = 300;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 2, "however fast they boot, each must be worth 15 s of work");
}

struct machine_case {
    const char *name;
    struct a machine;
    enum scaling_step step;
    enum scaling_reason reason;
};

/* A queue in which nothing waits. */
static const struct machine_case machine_cases[] = {
    /* Those that are to stay. */
    {"one that runs stays", {.what = RUNNING, .heard = 59}, STEP_KEEP, REASON_NONE},
    {"one that boots stays", {.what = BOOTING, .age = 299}, STEP_KEEP, REASON_NONE},
    {"one that was just asked for stays", {.what = LAUNCHING, .age = 9}, STEP_KEEP, REASON_NONE},
    {"a silent one leaves", {.what = RUNNING, .heard = 61}, STEP_LEAVE, REASON_SILENT},
    {"one that was never heard from leaves",
     {.what = BOOTING, .age = 301},
     STEP_LEAVE,
     REASON_NO_BOOT},
    {"one that was launched twice leaves",
     {.what = RUNNING, .copies = 2},
     STEP_LEAVE,
     REASON_TWICE},
    {"one that a list forgot stays while it is heard from",
     {.what = RUNNING, .heard = 59, .listing = LISTING_ABSENT, .absent = 1000},
     STEP_KEEP,
     REASON_NONE},
    {"one that boots may be missing from lists for 30 s",
     {.what = BOOTING, .age = 40, .listing = LISTING_ABSENT, .absent = 30},
     STEP_KEEP,
     REASON_NONE},
    {"no longer",
     {.what = BOOTING, .age = 40, .listing = LISTING_ABSENT, .absent = 31},
     STEP_LEAVE,
     REASON_LOST},
    {"one that has ended by itself is gone at once",
     {.what = RUNNING, .heard = 9, .listing = LISTING_TERMINATED, .fresh = true},
     STEP_FORGET,
     REASON_ENDED},
    {"but not if it was heard from behind that list",
     {.what = RUNNING, .heard = 1, .listing = LISTING_TERMINATED},
     STEP_KEEP,
     REASON_NONE},
    {"a launch that fails is given up when nothing waits any more",
     {.what = FAILING, .age = 9},
     STEP_LEAVE,
     REASON_UNWANTED},
    {"unless it has been launched all the same",
     {.what = FAILING, .age = 9, .listing = LISTING_RUNNING},
     STEP_KEEP,
     REASON_NONE},

    /* Those that are not. */
    {"a stray leaves", {.what = STRAY, .heard = NEVER}, STEP_LEAVE, REASON_STRAY},
    {"also one that works", {.what = STRAY, .items = 7}, STEP_LEAVE, REASON_STRAY},
    {"a leaving one that holds items is not terminated",
     {.what = LEAVING, .items = 1},
     STEP_KEEP,
     REASON_EMPTY},
    {"one that holds none is", {.what = LEAVING}, STEP_TERMINATE, REASON_EMPTY},
    {"also one that was never heard from",
     {.what = LEAVING, .heard = NEVER},
     STEP_TERMINATE,
     REASON_EMPTY},
    {"it is terminated until the provider has it no more",
     {.what = LEAVING, .listing = LISTING_ABSENT},
     STEP_TERMINATE,
     REASON_EMPTY},
    {"then it is gone",
     {.what = LEAVING, .listing = LISTING_ABSENT, .fresh = true},
     STEP_FORGET,
     REASON_OVER},
    {"or the provider says that it has ended",
     {.what = LEAVING, .listing = LISTING_TERMINATED, .fresh = true},
     STEP_FORGET,
     REASON_OVER},
    {"one whose launch was never answered may still come",
     {.what = UNLAUNCHED, .heard = NEVER, .listing = LISTING_ABSENT, .absent = 30, .fresh = true},
     STEP_TERMINATE,
     REASON_EMPTY},
    {"until lists have lacked it for 30 s",
     {.what = UNLAUNCHED, .heard = NEVER, .listing = LISTING_ABSENT, .absent = 31, .fresh = true},
     STEP_FORGET,
     REASON_OVER},
    {"one that is listed stays whatever else is known",
     {.what = LEAVING, .fresh = true},
     STEP_TERMINATE,
     REASON_EMPTY},
};

static void test_machines(void) {
    for (size_t i = 0; i < sizeof machine_cases / sizeof *machine_cases; i++) {
        const struct machine_case *row = &machine_cases[i];
        struct a list[2] = {row->machine, {0}};
        struct scaling_snapshot snapshot = snapshot_of(0, 0, 0, list);
        struct scaling_decision decision;
        scaling_decide(&snapshot, &decision);
        bool good = decision.machines[0].step == row->step &&
                    decision.machines[0].reason == row->reason && decision.launch == 0;
        if (!ok(good, "%s", row->name))
            printf("# step %d for reason %d, not %d for %d\n", decision.machines[0].step,
                   decision.machines[0].reason, row->step, row->reason);
    }
}

static void test_surplus(void) {
    static const struct a list[] = {{.what = RUNNING, .age = 40},
                                    {.what = RUNNING, .age = 30, .items = 9},
                                    {.what = RUNNING, .age = 20},
                                    {.what = RUNNING, .age = 10, .items = 5},
                                    {0}};
    struct scaling_snapshot snapshot = snapshot_of(16, 1000000, 0, list);
    struct scaling_decision decision;
    snapshot.rules.workers_max = 2;
    scaling_decide(&snapshot, &decision);
    is_int(decision.machines[2].step, STEP_LEAVE, "too many: the youngest without items leaves");
    is_int(decision.machines[0].step, STEP_LEAVE, "then the next without items");
    is_int(decision.machines[1].step, STEP_KEEP, "one that works stays");
    is_int(decision.machines[3].step, STEP_KEEP, "and another");
    is_int(decision.launch, 0, "nothing is launched for it");
    snapshot.rules.workers_max = 1;
    scaling_decide(&snapshot, &decision);
    is_int(decision.machines[3].step, STEP_LEAVE, "then the one that holds less");
}

/* Paused by an operator: whatever else it would do, it only notes what is gone by itself. */
static void test_paused(void) {
    static const struct a list[] = {{.what = RUNNING, .age = 400, .heard = 100},
                                    {.what = LEAVING},
                                    {.what = STRAY, .heard = NEVER},
                                    {.what = RUNNING, .listing = LISTING_TERMINATED, .fresh = true},
                                    {0}};
    struct scaling_snapshot snapshot = snapshot_of(1000, 1000000, 0, list);
    struct scaling_decision decision;
    snapshot.rules.workers_min = 3;
    snapshot.has_peer = true;
    snapshot.loan_count = 1;
    snapshot.loans[0] = (struct scaling_loan){.side = LOAN_GIVEN, .left_ms = -1};
    snapshot.paused = true;
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 0, "paused: nothing is launched");
    is_int(decision.machines[0].step, STEP_KEEP, "a silent one stays");
    is_int(decision.machines[1].step, STEP_KEEP, "a leaving one is not terminated");
    is_int(decision.machines[2].step, STEP_KEEP, "a stray stays");
    is_int(decision.machines[3].step, STEP_FORGET, "one that has ended is noted");
    is_int(decision.loans[0].step, LOAN_STEP_KEEP, "loans stay");
    is_int(decision.borrow_from, SCALING_NOBODY, "nobody is asked for one");
    snapshot.paused = false;
    scaling_decide(&snapshot, &decision);
    is_int(decision.machines[1].step, STEP_TERMINATE, "resumed: it goes on");
    is_int(decision.machines[0].step, STEP_LEAVE, "with all of them");
}

int main(void) {
    test_launches();
    test_other_launches();
    test_machines();
    test_surplus();
    test_paused();
    return done_testing();
}
