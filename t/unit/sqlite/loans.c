/* Loans between two nodes, whatever happens to the nodes and between them. See two_nodes.h. */
#include "two_nodes.h"

/* --- What the store does, step by step --- */

static struct node *const lender = &nodes[1];
static struct node *const borrower = &nodes[0];

/* A hello of the borrower that names one loan or none. */
static struct queue_hello_answer hello_of(int64_t nonce, const struct uuid *id) {
    struct queue_hello hello = {.node = 1, .nonce = nonce, .count = id ? 1 : 0};
    struct queue_hello_answer answer = {0};
    if (id)
        hello.loans[0] = *id;
    store_begin(lender->store);
    if (store_hello(lender->store, &hello, &answer) != QUEUE_OK)
        abort();
    store_commit(lender->store);
    return answer;
}

static int64_t nonce; /* the lender's last one */

/* A lender without any calls so far, and a borrower that knows the lender's nonce. */
static void meet(void) {
    begin_anew();
    nonce = hello_of(0, NULL).nonce;
}

/* Sends the next hello. Returns the loan's time; -1: the hello did not count. */
static int64_t ttl_of(const struct uuid *id) {
    struct queue_hello_answer answer = hello_of(nonce, id);
    nonce = answer.nonce;
    return answer.counts ? answer.ttl_ms[0] : -1;
}

static enum queue_result launch_at(struct node *node, const char *name) {
    struct queue_machine_update launch = {.state = MACHINE_LAUNCHING};
    snprintf(launch.name, sizeof launch.name, "%s", name);
    store_begin(node->store);
    enum queue_result result = store_update_machine(node->store, &launch);
    store_commit(node->store);
    return result;
}

static void step(struct node *node, struct uuid id, enum loan_step what) {
    struct queue_loan_step step = {.id = id, .node = 3 - node->number, .step = what};
    store_begin(node->store);
    store_loan(node->store, &step);
    store_commit(node->store);
}

static void lends(void) {
    struct uuid id = id_new(1);
    struct uuid other = id_new(1);
    meet();
    is_int(ttl_of(&id), LOAN_MS, "a loan is given for LOAN_SECONDS");
    is_int(launch_at(lender, "a"), QUEUE_OK, "then a machine may be launched,");
    is_int(launch_at(lender, "b"), QUEUE_OK, "and another,");
    is_int(launch_at(lender, "c"), QUEUE_CONFLICT, "no third one");
    is_int(launch_at(lender, "b"), QUEUE_OK, "one that was saved before may be saved again");
    is_int(ttl_of(&id), LOAN_MS, "the loan is renewed");
    is_int(ttl_of(&other), LOAN_MS, "one that it does not name is returned");
    is_int(limit_of(lender), 2, "and can be given again");
    step(lender, other, LOAN_RECALL);
    is_int(ttl_of(&other), 0, "what is wanted back is not renewed");
    is_int(launch_at(lender, "c"), QUEUE_CONFLICT, "but counts");
    clock_offsets[1] += LOAN_MS;
    is_int(launch_at(lender, "c"), QUEUE_OK, "until its time is over");
    is_int(ttl_of(NULL), 0, "a hello");
    is_int(loans_of(lender), 0, "forgets it then");
    is_int(ttl_of(&id), 0, "no other is given, as there is no machine more");
}

/* What was said before the last answer came does not count, however late it arrives. */
static void listens(void) {
    struct uuid id = id_new(1);
    begin_anew();
    struct queue_hello_answer answer = hello_of(0, &id);
    int64_t first = answer.nonce;
    is_int(answer.counts, 0, "a hello that names no answer does not count");
    ok(first > 0, "and is told which to name");
    is_int(hello_of(0, &id).nonce, first, "the same again as well");
    nonce = first;
    is_int(ttl_of(&id), LOAN_MS, "one that names it counts");
    ok(nonce != first, "and is the last that does");
    struct queue_hello_answer late = hello_of(first, NULL);
    is_int(late.counts, 0, "one from before, which names no loan, does not count");
    is_int(late.nonce, nonce, "and is told the last answer");
    is_int(limit_of(lender), 2, "the loan stays");
    stop_node(lender);
    start_node(lender);
    is_int(hello_of(first, NULL).counts, 0, "nor behind a start of the lender");
    is_int(ttl_of(&id), LOAN_MS, "where the next one counts");
}

static void spares_none(void) {
    struct uuid id = id_new(1);
    meet();
    set_busy(lender, true);
    clock_offsets[1] += 1500;
    is_int(ttl_of(&id), LOAN_MS, "an item that has waited no longer than 2 s wants no machine");
    ttl_of(NULL);
    clock_offsets[1] += 1000;
    is_int(ttl_of(&id), 0, "longer: nothing is lent");
    set_busy(lender, false);
    lender->conf.workers_min = 3;
    is_int(ttl_of(&id), 0, "nor what WORKERS_MIN asks for");
}

/* A lender whose database was just taken from a copy, which may not know of a loan that counts. */
static void is_restored(void) {
    struct uuid id = id_new(1);
    struct uuid other = id_new(1);
    meet();
    is_int(ttl_of(&id), LOAN_MS, "a loan is given");
    sqlite3_exec(sqlite_of(lender->store)->database,
                 "UPDATE identity SET restored = (SELECT clock FROM tally)", NULL, NULL, NULL);
    store_files_note(sqlite_of(lender->store));
    stop_node(lender);
    start_node(lender);
    is_int(ttl_of(&id), LOAN_MS, "it is renewed by a lender that was restored");
    is_int(ttl_of(&other), 0, "which gives no other");
    clock_offsets[1] += LOAN_MS - 1000;
    is_int(ttl_of(&other), 0, "as long as one may count that it does not know");
    clock_offsets[1] += 1000;
    is_int(ttl_of(&other), LOAN_MS, "then it does");
}

/* An answer to a hello of the borrower that named one loan. */
static void hears(struct uuid id, int64_t sent_ms, int64_t ttl_ms) {
    struct queue_heard heard = {.sent = {.node = 2, .count = 1, .loans = {id}},
                                .clock_ms = sent_ms,
                                .answer = {.counts = 1, .count = 1, .ttl_ms = {ttl_ms}}};
    store_begin(borrower->store);
    store_heard(borrower->store, &heard);
    store_commit(borrower->store);
}

static int launch_all(struct node *node) {
    char name[20];
    int count = 0;
    do
        snprintf(name, sizeof name, "m%d", ++count);
    while (launch_at(node, name) == QUEUE_OK);
    return count - 1;
}

static void borrows(void) {
    struct uuid id = id_new(1);
    begin_anew();
    step(borrower, id, LOAN_WANT);
    is_int(launch_all(borrower), 3, "a loan that is only wanted gives no machine more");
    clock_offsets[1] += 1000;
    int64_t sent_ms = clock_of(borrower);
    hears(id, sent_ms, LOAN_MS);
    is_int(launch_all(borrower), 4, "one that was given does");
    is_int(number(borrower->store, "SELECT deadline FROM loan"), sent_ms + LOAN_MS,
           "its time counts from the hello");
    hears(id, sent_ms + 500, 0);
    hears(id, sent_ms, LOAN_MS);
    is_int(number(borrower->store, "SELECT state FROM loan"), LOAN_RECALLED,
           "what is wanted back stays so, whatever comes late");
    is_int(limit_of(borrower), 3, "and does not count");
    step(borrower, id, LOAN_RETURN);
    hears(id, sent_ms, LOAN_MS);
    is_int(loans_of(borrower), 0, "what was returned stays so");
}

/* Its clock stood still while it was down; the lender's did not. */
static void borrows_and_starts(void) {
    struct uuid id = id_new(1);
    begin_anew();
    step(borrower, id, LOAN_WANT);
    clock_offsets[1] += 1000;
    int64_t sent_ms = clock_of(borrower);
    hears(id, sent_ms, LOAN_MS);
    stop_node(borrower);
    start_node(borrower);
    is_int(launch_all(borrower), 3, "behind a start a loan counts not");
    hears(id, sent_ms, LOAN_MS);
    is_int(number(borrower->store, "SELECT deadline FROM loan"), sent_ms + LOAN_MS,
           "nor is it made longer by an answer from before");
    clock_offsets[1] += 10;
    hears(id, clock_of(borrower), LOAN_MS);
    is_int(launch_all(borrower), 4, "but by the first that comes");
}

/* --- A loan from its beginning to its end --- */

static void a_loan(void) {
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

/* A loan is wanted, given, used, wanted back and returned. at_ms after its beginning a fault
 * happens that lasts, and both nodes have too much to do. Returns whether both, or the one that is
 * left, are back at three within a loan's time; and both again once the fault is mended. */
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

/* Whether there are more than six machines, or may be by the stores' limits, without an excuse. The
 * excuse: a borrower is down, or came up less than a loan's time ago. */
static bool too_many(void) {
    int64_t limits = 0;
    int machines = 0;
    for (int i = 0; i < 2; i++) {
        struct node *node = &nodes[i];
        bool was_down = !node->store || real_ms - node->up_ms <= LOAN_MS + SLACK_MS;
        int64_t limit = node->store ? limit_of(node) : 0;
        if (was_down && (node->machines > MAX || limit > MAX))
            return false;
        limits += limit;
        machines += node->machines;
    }
    return machines > 2 * MAX || limits > 2 * MAX;
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
    int many = 0;
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
                many += too_many();
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
    is_int(many, 0, "at random: never more than six machines, but for a borrower that is down");
    is_int(not_back, 0, "both are back at three within a loan's time");
    ok(borrowed > 1000, "machines were borrowed for %d s", borrowed * STEP_MS / 1000);
    ok(most_loans <= 3 * MAX, "there are never more than %d loans in a store", most_loans);
}

int main(void) {
    set_up();
    atexit(remove_databases);
    log_set_level(LOG_LEVEL_WARN);
    srandom(1);
    lends();
    listens();
    spares_none();
    is_restored();
    borrows();
    borrows_and_starts();
    a_loan();
    in_the_middle();
    at_random();
    return done_testing();
}
