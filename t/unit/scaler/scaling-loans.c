/*
 * The decision of the scaler about loans, case by case; the rest is in scaling.c. WORKERS_MAX is
 * 3 here, LOAN_SECONDS is 60, the peer is node 1, and there is a lot of work.
 */
#include "fixture.h"

#include <stdlib.h>

/*
 * What is known: the seconds that an item has waited; the machines: R run, r run and hold little, B
 * boot, F cannot be launched, L leave and hold items, E leave and hold none, O are over; the loans:
 * w is wanted, t taken, c taken and called in by its lender, g given, b given and wanted back, with
 * the seconds that are left of it, and ! when the peer is away.
 *
 * What is decided: for each machine to keep it, let it leave, terminate or forget it; for each loan
 * to keep it, return it or want it back; how many machines are launched, or why none is; whom a
 * loan is asked of.
 */
struct loan_case {
    const char *name;
    const char *known;
    const char *decided;
};

static const struct loan_case cases[] = {
    /* The fourth machine is borrowed. */
    {"three that run, and nothing waits for long: no loan is wanted", "15 RRR -", "kkk -"},
    {"an item waits too long and three run: the next peer is asked for a loan", "16 RRR -",
     "kkk - limit asks 1"},
    {"two run: one is launched, no loan is wanted", "16 RR -", "kk - launches 1"},
    {"while it is asked, no other loan is wanted, nor another peer asked", "17 RRR w",
     "kkk k limit"},
    {"the loan is there: the fourth is launched", "18 RRR t60", "kkk k launches 1"},
    {"four run and an item still waits too long: another loan is wanted", "90 RRRR t60",
     "kkkk k limit asks 1"},
    {"one that is launched for a loan can fail: nothing more is wanted", "19 RRRF t60",
     "kkkk k fails"},
    {"one that leaves counts for the loan until it is gone", "18 RRRL t60", "kkkk k limit asks 1"},

    /* The lender may then start only two. */
    {"one is lent: two may be launched", "16 - g60", "- k launches 2"},
    {"one is lent and two run: none, and the loan is wanted back", "16 RR g60", "kk b limit"},
    {"nothing waits for long: it stays with the borrower", "15 RR g60", "kk k"},
    {"it is wanted back already: that is waited for, no peer is asked", "17 RR b50", "kk k limit"},
    {"of two that are lent one is wanted back", "16 R g60 g60", "k kb limit"},
    {"not both at once", "17 R g60 b50", "k kk limit"},
    {"the other when that is there and not enough", "40 RR g60", "kk b limit"},
    {"the borrower was not heard from for 60 s: its loan is over, and three may run", "16 RR g-1!",
     "kk b launches 1"},
    {"not before", "16 RR b1!", "kk k limit"},
    {"one that was wanted back is over as well", "0 RR b-1", "kk b"},

    /* The lender wants it back. */
    {"called in: one of four leaves", "0 RRRR c58", "kkkl k"},
    {"it drains, and the loan is kept as long", "0 RRRL c50", "kkkk k"},
    {"it holds nothing any more and is terminated", "0 RRRE c50", "kkkt k"},
    {"it is gone: the loan is returned", "0 RRRO c50", "kkkf r"},
    {"an item that waits too long does not change that", "16 RRR c50", "kkk r limit asks 1"},
    {"none was launched for it yet: it is returned at once", "16 RR c59", "kk r launches 1"},

    /* The link is cut, or the lender is dead. */
    {"not heard from for 39 s of 60: nothing is done", "0 RRRR t21!", "kkkk k"},
    {"for 40 s: one of four leaves", "0 RRRR t20!", "kkkl k"},
    {"the one that holds least", "0 RrRR t20!", "klkk k"},
    {"it may drain for 10 s", "0 RRRL t11!", "kkkk k"},
    {"then it is terminated though it holds items", "0 RRRL t10!", "kkkt k"},
    {"unless no more than three are left", "0 RRL t10!", "kkk r"},
    {"one more that leaves for another reason has the time to drain", "0 RRLL t10!", "kktk k"},
    {"if one ends by itself the others drain", "0 RRLE t10!", "kkkt k"},
    {"too many for other reasons than loans: they drain", "0 LLLL -", "kkkk -"},
    {"called in, and the lender is not heard from: the same", "0 RRRL c10!", "kkkt k"},
    {"the provider does not end it: the loan is kept beyond its time", "0 RRRL t-1!", "kkkt k"},
    {"no fourth is launched for a loan that ends", "16 RRR t20!", "kkk k limit asks 1"},
    {"three run and its time is over: it is forgotten", "16 RRR t-1!", "kkk r limit asks 1"},
    {"a peer that is asked and not heard from is asked no more", "16 RRR w!", "kkk r limit"},

    /* It is not needed any more. */
    {"four run and nothing waits: the loan is kept", "0 RRRR t60", "kkkk k"},
    {"three run and nothing waits: it is returned", "0 RRR t60", "kkk r"},
    {"of two the one that is not needed", "0 RRRR t60 t60", "kkkk rk"},
    {"one that leaves needs it as well", "0 RRRL t60", "kkkk k"},
    {"one that is only wanted is wanted no more", "0 RRR w", "kkk r"},
};

/* A machine of its letter. */
static struct a machine_named(char letter) {
    struct a machine = {.what = RUNNING, .items = 5};
    if (letter == 'r')
        machine.items = 1;
    if (letter == 'B' || letter == 'F')
        machine = (struct a){.what = letter == 'B' ? BOOTING : FAILING, .age = 1};
    if (letter == 'L' || letter == 'E' || letter == 'O')
        machine = (struct a){.what = LEAVING, .items = letter == 'L' ? 5 : 0};
    if (letter == 'O') {
        machine.listing = LISTING_ABSENT;
        machine.fresh = true;
    }
    return machine;
}

/* Adds the loan that text begins with. Its end. */
static const char *add_loan(struct scaling_snapshot *snapshot, const char *text) {
    static const struct {
        char letter;
        enum loan_side side;
        enum loan_state state;
    } kinds[] = {{'w', LOAN_TAKEN, LOAN_WANTED},
                 {'t', LOAN_TAKEN, LOAN_HELD},
                 {'c', LOAN_TAKEN, LOAN_RECALLED},
                 {'g', LOAN_GIVEN, LOAN_HELD},
                 {'b', LOAN_GIVEN, LOAN_RECALLED}};
    struct scaling_loan loan = {.node = 1};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].letter == *text) {
            loan.side = kinds[i].side;
            loan.state = kinds[i].state;
        }
    }
    char *end;
    loan.left_ms = strtol(text + 1, &end, 10) * 1000;
    loan.away = *end == '!';
    snapshot->loans[snapshot->loan_count++] = loan;
    return end + loan.away;
}

/* The moment of a case. */
static struct scaling_snapshot moment_of(const char *known) {
    static const struct a none[] = {{0}};
    char *at;
    int wait = (int)strtol(known, &at, 10);
    struct scaling_snapshot snapshot = snapshot_of(wait, 100000000, 0, none);
    snapshot.rules.loan_ms = 60000;
    snapshot.has_peer = true;
    snapshot.peer = (struct scaling_peer){.node = 1};
    for (at++; *at != ' '; at++) {
        struct a machine = machine_named(*at);
        if (machine.what == RUNNING)
            machine.age = 1000 - snapshot.count; /* the youngest comes last */
        if (*at != '-')
            snapshot.machines[snapshot.count++] = machine_of(&machine);
    }
    for (const char *loan = at; *loan == ' ' && loan[1] != '-';)
        loan = add_loan(&snapshot, loan + 1);
    return snapshot;
}

/* A decision in the words of the table. */
static void spell(char text[200], const struct scaling_snapshot *snapshot,
                  const struct scaling_decision *decision) {
    static const char *const reasons[] = {[REASON_NONE] = "",
                                          [REASON_LIMIT] = " limit",
                                          [REASON_BOOTING] = " boots",
                                          [REASON_FAILING] = " fails"};
    char *at = text;
    for (int i = 0; i < snapshot->count; i++)
        *at++ = "kltf"[decision->machines[i].step];
    at += sprintf(at, "%s ", snapshot->count ? "" : "-");
    for (int i = 0; i < snapshot->loan_count; i++)
        *at++ = "krb"[decision->loans[i].step];
    at += sprintf(at, "%s", snapshot->loan_count ? "" : "-");
    if (decision->launch > 0)
        at += sprintf(at, " launches %d", decision->launch);
    else
        at += sprintf(at, "%s", reasons[decision->reason]);
    if (decision->borrow_from != SCALING_NOBODY)
        sprintf(at, " asks %d", (int)decision->borrow_from);
}

static void test_cases(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scaling_snapshot snapshot = moment_of(cases[i].known);
        struct scaling_decision decision;
        char decided[200];
        scaling_decide(&snapshot, &decision);
        spell(decided, &snapshot, &decision);
        is_text(decided, cases[i].decided, cases[i].name);
    }
}

/* Three run, an item waits too long: which node is asked for a loan, in cases that the table leaves
 * out? */
static void test_whom(void) {
    struct scaling_decision decision;
    struct scaling_snapshot snapshot = moment_of("16 RRR -");
    snapshot.refused = true;
    scaling_decide(&snapshot, &decision);
    is_int(decision.borrow_from, SCALING_NOBODY, "after a refusal none is asked for 10 s");
    snapshot = moment_of("16 RRR -");
    snapshot.peer.away = true;
    scaling_decide(&snapshot, &decision);
    is_int(decision.borrow_from, SCALING_NOBODY, "a peer that is away is not asked");
    snapshot.has_peer = false;
    snapshot.peer.away = false;
    scaling_decide(&snapshot, &decision);
    is_int(decision.borrow_from, SCALING_NOBODY, "nor is one that there is not");
    snapshot = moment_of("16 - -");
    snapshot.rules.workers_max = 0;
    scaling_decide(&snapshot, &decision);
    is_int(decision.borrow_from, SCALING_NOBODY,
           "WORKERS_MAX 0: a node that is to launch none borrows none");
    snapshot = moment_of("19 RRRB t60");
    snapshot.waiting = 1;
    scaling_decide(&snapshot, &decision);
    is_int(decision.reason, REASON_BOOTING, "the fourth boots for the one item that waits:");
    is_int(decision.borrow_from, SCALING_NOBODY, "no fifth is borrowed");
    snapshot = moment_of("0 RRR -");
    snapshot.rules.workers_min = 4;
    scaling_decide(&snapshot, &decision);
    is_int(decision.borrow_from, SCALING_NOBODY, "nor does one for WORKERS_MIN alone");
}

/* Two nodes as busy as each other: neither has anything to lend, and what was lent goes back. */
static void test_both_overloaded(void) {
    struct scaling_decision decision;
    struct scaling_snapshot snapshot = moment_of("16 RR g60");
    scaling_decide(&snapshot, &decision);
    is_int(decision.loans[0].step, LOAN_STEP_RECALL, "both overloaded: the lender wants it back");
    is_int(decision.loans[0].reason, REASON_LIMIT, "for an item waits and it has no machine more");
    snapshot = moment_of("16 RRR c58");
    scaling_decide(&snapshot, &decision);
    is_int(decision.loans[0].step, LOAN_STEP_RETURN, "the borrower gives it back");
    is_int(decision.launch, 0, "and launches none for it");
    snapshot = moment_of("16 RR -");
    scaling_decide(&snapshot, &decision);
    is_int(decision.launch, 1, "then the lender launches its third");
}

static void test_reasons(void) {
    struct scaling_decision decision;
    struct scaling_snapshot snapshot = moment_of("0 RRRR c58");
    scaling_decide(&snapshot, &decision);
    is_int(decision.machines[3].reason, REASON_RECALLED, "a machine leaves for it was borrowed");
    is_int(decision.limit, 3, "the limit is three again");
    snapshot = moment_of("0 RRRR t20!");
    scaling_decide(&snapshot, &decision);
    is_int(decision.machines[3].reason, REASON_AWAY, "or for the lender is not heard from");
    snapshot.rules.workers_max = 2;
    scaling_decide(&snapshot, &decision);
    is_int(decision.machines[3].reason, REASON_SURPLUS, "one more for WORKERS_MAX was lowered");
    is_int(decision.machines[2].reason, REASON_AWAY, "beside it");
}

/* A decision that is due when less of a loan is left comes at that time, not up to a turn later. */
static void test_due(void) {
    static const struct {
        const char *name, *known;
        int64_t due_s;
    } dues[] = {
        {"a loan that is renewed: nothing is due before a third is left", "0 RRRR t60", 40},
        {"a third is left: the next is a sixth", "0 RRRL t20!", 10},
        {"a sixth is left: the next is its end", "0 RRRL t10!", 10},
        {"so it is with one that is wanted back", "0 RRRL c12", 2},
        {"of two the one that ends first", "0 RRRRR t60 t21", 1},
    };
    struct scaling_decision decision;
    struct scaling_snapshot snapshot;
    for (size_t i = 0; i < sizeof dues / sizeof *dues; i++) {
        snapshot = moment_of(dues[i].known);
        scaling_decide(&snapshot, &decision);
        is_int(decision.loan_due_ms, dues[i].due_s * 1000, dues[i].name);
    }
    snapshot = moment_of("0 RRRR t-1 w g5");
    scaling_decide(&snapshot, &decision);
    is_int(decision.loan_due_ms, INT64_MAX, "nothing more comes of what is over, wanted or given");
}

int main(void) {
    test_cases();
    test_whom();
    test_both_overloaded();
    test_reasons();
    test_due();
    return done_testing();
}
