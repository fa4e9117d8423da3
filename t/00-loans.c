/* Loans between two nodes, whatever happens to the nodes and between them. See two_nodes.h. */
#include "two_nodes.h"

/* --- A loan from its beginning to its end --- */

static void a_loan(void) {
    struct node *borrower = &nodes[0];
    struct node *lender = &nodes[1];
    begin_anew();
    most_machines = 0;
    pass(2000);
    set_busy(borrower, true);
    ok(reaches(borrower, 4, 15000), "the fourth machine is borrowed");
    is_int(limit_of(borrower), 4, "there may be four");
    is_int(limit_of(lender), 2, "and two at the lender");
    pass(60000);
    ok(limit_of(borrower) + limit_of(lender) == 2 * MAX, "as long as the nodes hear each other");
    pass(20000);
    int64_t borrowed = limit_of(borrower) - MAX;
    set_busy(lender, true);
    ok(reaches(lender, MAX, borrowed * 10000), "the lender gets it back when it needs it");
    is_int(borrower->machines, MAX, "three run at the borrower");
    is_int(most_machines, 2 * MAX, "never were there more than six");
    set_busy(borrower, false);
    set_busy(lender, false);
    pass(10000);
    is_int(loans_of(borrower) + loans_of(lender), 0, "no loan is left");
}

/* --- Something happens in the middle of it --- */

enum fault { LINK_CUT, LENDER_KILLED, BORROWER_KILLED };

/* Whether both nodes may run three again, and do. */
static bool both_at_three(void) {
    return limit_of(&nodes[0]) == MAX && limit_of(&nodes[1]) == MAX && nodes[0].machines == MAX &&
           nodes[1].machines == MAX;
}

/* A loan is wanted, given, used, wanted back and returned; so long after its beginning something
 * happens for good, and then both have too much to do. Returns whether all is as it should be:
 * within a loan's time both are back at three, or the one that is left. Then it is mended: both. */
static bool survives(enum fault fault, int64_t at_ms, int leaving_turns) {
    static const int64_t second_busy_ms = 9000;
    begin_anew();
    nodes[0].leaving_turns = leaving_turns;
    pass(2000);
    most_machines = 0;
    set_busy(&nodes[0], true);
    pass(at_ms < second_busy_ms ? at_ms : second_busy_ms);
    set_busy(&nodes[1], true);
    pass(at_ms < second_busy_ms ? 0 : at_ms - second_busy_ms);
    cut = fault == LINK_CUT;
    if (fault == LENDER_KILLED)
        stop_node(&nodes[1]);
    if (fault == BORROWER_KILLED)
        stop_node(&nodes[0]);
    pass(LOAN_MS + SLACK_MS);
    bool good = fault == BORROWER_KILLED || most_machines <= 2 * MAX;
    for (int i = 0; i < 2; i++)
        good =
            good && (!nodes[i].store || (limit_of(&nodes[i]) == MAX && nodes[i].machines == MAX));
    cut = false;
    for (int i = 0; i < 2; i++) {
        if (!nodes[i].store)
            start_node(&nodes[i]);
    }
    pass(LOAN_MS + SLACK_MS);
    return good && both_at_three() && (fault == BORROWER_KILLED || most_machines <= 2 * MAX);
}

static void in_the_middle(void) {
    static const char *const names[] = {"the link is cut", "the lender is killed",
                                        "the borrower is killed"};
    for (enum fault fault = LINK_CUT; fault <= BORROWER_KILLED; fault++) {
        int bad = 0;
        for (int64_t at_ms = 0; at_ms < 20000; at_ms += 3 * STEP_MS) {
            bool good = survives(fault, at_ms, draw(60));
            bad += !good;
            if (!good)
                printf("# wrong when it happens after %d ms: machines %d and %d\n", (int)at_ms,
                       nodes[0].machines, nodes[1].machines);
        }
        is_int(bad, 0, names[fault]);
    }
}

/* --- Anything happens --- */

/* Whether there may be more than six machines at the moment: a node that has borrowed was down, for
 * a loan's time after it came up again. */
static bool is_excused(void) {
    for (int i = 0; i < 2; i++) {
        bool was_down = !nodes[i].store || real_ms - nodes[i].up_ms <= LOAN_MS + SLACK_MS;
        if (nodes[i].machines > MAX && was_down)
            return true;
    }
    return false;
}

static void something_happens(void) {
    struct node *node = &nodes[draw(2)];
    switch (draw(12)) {
    case 0:
        cut = !cut;
        break;
    case 1:
        if (node->store)
            stop_node(node);
        else
            start_node(node);
        break;
    case 2:
        if (node->store) {
            stop_node(node);
            start_node(node);
        }
        break;
    case 3:
        trouble = draw(50);
        delay_max_ms = draw(10000);
        break;
    case 4:
        node->leaving_turns = draw(60);
        break;
    default:
        set_busy(node, !node->busy);
    }
}

/* Everything works again, and both have too much to do. */
static void mend(void) {
    cut = false;
    trouble = 0;
    delay_max_ms = 0;
    for (int i = 0; i < 2; i++) {
        if (!nodes[i].store)
            start_node(&nodes[i]);
        set_busy(&nodes[i], true);
    }
}

static void at_random(void) {
    int too_many = 0;
    int not_back = 0;
    int most_loans = 0;
    int borrowed = 0;
    for (int run = 0; run < 20; run++) {
        begin_anew();
        nodes[0].up_ms = nodes[1].up_ms = real_ms - LOAN_MS - SLACK_MS - 1;
        for (int event = 0; event < 60; event++) {
            something_happens();
            for (int steps = draw(40); steps > 0; steps--) {
                pass(STEP_MS);
                too_many += nodes[0].machines + nodes[1].machines > 2 * MAX && !is_excused();
                borrowed += nodes[0].machines > MAX || nodes[1].machines > MAX;
            }
            for (int i = 0; i < 2; i++) {
                int loans = nodes[i].store ? (int)loans_of(&nodes[i]) : 0;
                most_loans = loans > most_loans ? loans : most_loans;
            }
        }
        mend();
        pass(LOAN_MS + 12000); /* what was under way arrives in the first ten seconds */
        not_back += !both_at_three();
    }
    is_int(too_many, 0, "at random: never more than six machines, but for a borrower that is down");
    is_int(not_back, 0, "both are back at three within a loan's time");
    ok(borrowed > 1000, "machines were borrowed for %d s", borrowed * STEP_MS / 1000);
    ok(most_loans <= 3 * MAX, "there are never more than %d loans in a store", most_loans);
}

int main(void) {
    set_up();
    atexit(remove_databases);
    log_set_level(LOG_LEVEL_WARN);
    srandom(1);
    a_loan();
    in_the_middle();
    at_random();
    return done_testing();
}
