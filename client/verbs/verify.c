/* The verb verify. */
#include <stdio.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/stop.h"
#include "clock.h"
#include "hex.h"
#include "json.h"
#include "verbs/lines.h"
#include "verbs/progress.h"
#include "verbs/verbs.h"
#include "verify/checks.h"
#include "verify/compute.h"

enum { REPORT_MS = 500 /* between two reports to the bar */ };

struct verify {
    const struct command *command;
    struct checks checks;
    size_t printed; /* checks whose outcome was printed */
    struct progress *progress;
    int64_t report_ms; /* the next report to the bar is due; steady time */
};

/* Takes FILE N VALUE, or -n N --from-file LIST. False with a message. */
static bool take_arguments(struct verify *verify) {
    const struct command *command = verify->command;
    char why[1200] = "give FILE N VALUE, or -n N --from-file LIST";
    bool good = false;
    if (command->from_file && command->count == 0 && command->iterations > 0)
        good =
            checks_read(&verify->checks, command->from_file, command->iterations, why, sizeof why);
    else if (!command->from_file && command->count == 3 && command->iterations == 0)
        good = checks_add(&verify->checks, command->arguments[0], command->arguments[1],
                          command->arguments[2], why, sizeof why);
    if (!good && !stop_asked())
        say("verify: %s", why);
    return good;
}

/* Prints the outcome of a check. */
static void print_outcome(const struct command *command, const struct check *check) {
    struct buffer line = {0};
    char value[2 * CHAIN_SIZE];
    if (command->json) {
        object_begin(&line, "verified");
        object_text(&line, "file", check->file);
        object_number(&line, "iterations", check->iterations);
        object_hex(&line, "value", check->value, CHAIN_SIZE);
        json_name(&line, "equal");
        json_put_boolean(&line, check_holds(check));
        object_print(&line);
        return;
    }
    if (command->quiet) {
        hex_encode(value, check->value, CHAIN_SIZE);
        buffer_append(&line, value, sizeof value);
    } else {
        buffer_puts(&line, name_is_escaped(check->file) ? "\\" : "");
        put_name(&line, check->file);
        buffer_puts(&line, check_holds(check) ? ": OK" : ": DIFFERENT");
    }
    line_print(&line);
}

/* Prints the outcomes up to the first value that is not computed yet, or all there are. */
static void print_outcomes(struct verify *verify, bool all) {
    for (; verify->printed < verify->checks.count; verify->printed++) {
        const struct check *check = &verify->checks.list[verify->printed];
        if (check->state == CHECK_OPEN && !all)
            break;
        if (check->state == CHECK_COMPUTED)
            print_outcome(verify->command, check);
    }
    out_flush();
}

/* Shows how far it is. */
static void report(struct verify *verify, struct compute *compute) {
    struct bar_state state;
    int64_t now_ms = clock_steady_ms();
    if (now_ms < verify->report_ms)
        return;
    verify->report_ms = now_ms + REPORT_MS;
    compute_progress(compute, &state);
    progress_report(verify->progress, &state);
}

/* Computes until it is over, the user wants to stop, or the time has passed. */
static int work(struct verify *verify, struct compute *compute, int64_t deadline_ms) {
    while (!compute_is_over(compute)) {
        if (stop_asked())
            return CLIENT_INTERRUPTED;
        if (clock_steady_ms() >= deadline_ms)
            return CLIENT_RUNNING;
        int64_t due_ms = progress_turn(verify->progress);
        due_ms = verify->report_ms < due_ms ? verify->report_ms : due_ms;
        due_ms = deadline_ms < due_ms ? deadline_ms : due_ms;
        compute_turn(compute, stop_descriptor(), clock_timeout_ms(due_ms));
        print_outcomes(verify, false);
        report(verify, compute);
    }
    return CLIENT_DONE;
}

/* What the outcomes come to. */
static int judge(const struct checks *checks) {
    int code = CLIENT_DONE;
    for (size_t i = 0; i < checks->count; i++) {
        const struct check *check = &checks->list[i];
        if (check->state == CHECK_COMPUTED && !check_holds(check))
            return CLIENT_DIFFERS;
        if (check->state == CHECK_UNREADABLE)
            code = CLIENT_FAILED;
    }
    return code;
}

/* Computes and prints. Returns the exit code. */
static int compute_all(struct verify *verify, int64_t deadline_ms) {
    char why[600];
    int code = CLIENT_FAILED;
    verify->progress = progress_open(verify->command, NULL);
    struct compute *compute = compute_open(&verify->checks, why, sizeof why);
    if (compute)
        code = work(verify, compute, deadline_ms);
    else
        say("verify: %s", why);
    progress_close(verify->progress);
    compute_close(compute);
    return code;
}

int verb_verify(struct session *session) {
    struct verify verify = {.command = &session->command};
    if (!take_arguments(&verify)) {
        checks_free(&verify.checks);
        return stop_asked() ? CLIENT_INTERRUPTED : CLIENT_USAGE;
    }
    int code = compute_all(&verify, session->deadline_ms);
    print_outcomes(&verify, true);
    int outcome = judge(&verify.checks);
    if (outcome == CLIENT_DIFFERS)
        say("verify: a value is not the one that this machine computes");
    checks_free(&verify.checks);
    return outcome == CLIENT_DIFFERS ? outcome : client_exit_worse(outcome, code);
}
