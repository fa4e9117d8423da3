/* The end of a run: mends everything, then checks that all promises are kept. */

#include <unistd.h>

#include "compare.h"
#include "oracle.h"
#include "steps.h"

#define SECOND INT64_C(1000000)

enum { LAST_STEPS_US = 7000000 }; /* for a last restore and the enqueues after it */

/* Mends all that is broken, and starts what was stopped. */
static void mend(void) {
    network_heal();
    for (int i = 0; i < NODES; i++) {
        fibers_pause(i, 0);
        machine_drift(i, 0);
        machines[i].disk_full = false;
        if (!nodes[i].mounted)
            mount_again(&nodes[i]);
        node_start(&nodes[i], nodes[i].plan);
    }
}

/* Waits until both nodes serve; one that waits for what will not come is told to go on alone. */
static void await_both(void) {
    for (int seconds = 0; !(nodes[0].up && nodes[1].up); seconds++) {
        sim_run_until(sim_now_us + SECOND);
        for (int i = 0; i < NODES; i++) {
            if (seconds % 60 != 30 + i || nodes[i].up)
                continue;
            char path[160];
            node_file(&nodes[i], "", path);
            bool there = access(path, F_OK) == 0;
            node_halt(&nodes[i]);
            node_start(&nodes[i], (struct init_plan){.alone = there, .new_one = !there});
        }
        if (seconds == 600)
            sim_fail("at rest, a node does not start");
    }
}

/* What is not at rest yet; NULL when all is. */
static const char *unrest(void) {
    for (int i = 0; i < NODES; i++) {
        struct look look;
        if (!look_at(&nodes[i], "", &look))
            return "a database cannot be read";
        compare_note_epoch(&nodes[i], &look);
        if (look.epoch < nodes[i].met_epoch)
            return "a node serves a database that its peer has met a newer one of";
        if (look.open_pulls > 0)
            return "a pull is open";
        if (look.reserved > 0)
            return "items are set aside";
        if (nodes[i].conf.copying != COPY_NONE && !compare_replica(&nodes[i]))
            return "a replica is not level";
    }
    return NULL;
}

/* Waits until all is at rest. A database that comes back meanwhile has not seen what clients did
 * last, so they finish again. */
static void await_rest(void) {
    const char *what;
    int excuses = oracle_excuses;
    for (int seconds = 0; (what = unrest()) != NULL; seconds++) {
        sim_run_until(sim_now_us + SECOND);
        if (excuses != oracle_excuses) {
            excuses = oracle_excuses;
            await_both();
            clients_finish();
        }
        if (seconds == 120)
            sim_fail("at rest, %s", what);
    }
}

void rest_reach(void) {
    sim_run_until(sim_now_us + LAST_STEPS_US);
    sim_trace("at rest");
    mend();
    await_both();
    for (int i = 0; i < 300 && clients_under_way() > 0; i++)
        sim_run_until(sim_now_us + SECOND);
    if (clients_under_way() > 0)
        sim_fail("at rest, %d requests have no answer", clients_under_way());
    await_both();
    clients_finish();
    await_rest();
    clients_finish(); /* what was set aside for a pull that was given up is there again */
    await_rest();
    oracle_check_at_rest();
}
