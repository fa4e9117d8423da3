#include "quota.h"

#include "base/keys.h"
#include "http/problem.h"
#include "rate_limit.h"

bool quota_allows(struct call *call, int64_t iterations) {
    const struct key *key = call->identity.key;
    if (!key || key->iterations_max == 0 || iterations <= key->iterations_max)
        return true;
    problem_reply(&call->server->reply, PROBLEM_QUOTA_ITERATIONS,
                  "An item with %lld iterations is never taken under this key: it allows at most "
                  "%lld for one item (iterations_max). Nothing was stored, and waiting does not "
                  "help: use fewer iterations, or ask the operator for more.",
                  (long long)iterations, (long long)key->iterations_max);
    return false;
}

/* The reply to an item beyond the quota of work. One that alone has more is refused as one that has
 * too many iterations, since callers wait for work to get done. The first link of a chain is its
 * digest. */
static void refuse_work(struct reply *reply, int64_t work, int64_t iterations, int seconds) {
    if (iterations - 1 > work)
        problem_reply(reply, PROBLEM_QUOTA_ITERATIONS,
                      "An item with %lld iterations is never taken under this key: it allows at "
                      "most %lld that are not done yet (work). Nothing was stored, and waiting "
                      "does not help: use fewer iterations, or ask the operator for more.",
                      (long long)iterations, (long long)work);
    else
        problem_later(reply, PROBLEM_QUOTA_WORK, seconds,
                      "This client may have at most %lld iterations that are not done yet (work). "
                      "Nothing was stored; wait until some are done, or cancel items.",
                      (long long)work);
}

bool quota_refuse(struct call *call, const struct queue_quota *quota, int64_t iterations,
                  enum queue_result result, int seconds) {
    struct reply *reply = &call->server->reply;
    if (result == QUEUE_OVER_ITEMS)
        problem_later(reply, PROBLEM_QUOTA_ITEMS, seconds,
                      "This client may have at most %lld items that are not pulled yet (items). "
                      "Nothing was stored; pull or cancel some.",
                      (long long)quota->items);
    else if (result == QUEUE_OVER_WORK)
        refuse_work(reply, quota->work, iterations, seconds);
    else if (result == QUEUE_OVER_RATE)
        problem_later(
            reply, PROBLEM_QUOTA_RATE, seconds,
            "This client may enqueue %lld items a second and %lld at once (rate). Nothing "
            "was stored; send it later.",
            (long long)quota->rate, (long long)quota->burst);
    else
        return false;
    return true;
}

/* What is left of a quota; 0 when more is used. */
static int64_t left_of(int64_t quota, int64_t used) {
    return quota > used ? quota - used : 0;
}

void quota_reply(struct call *call, const struct queue_quota *quota) {
    const struct queue_left *left = &call->left;
    if (!left->known)
        return;
    const struct rate_limit_state state = {.items = quota->items,
                                           .work = quota->work,
                                           .rate = quota->rate,
                                           .burst = quota->burst,
                                           .items_left = left_of(quota->items, left->items),
                                           .work_left = left_of(quota->work, left->work),
                                           .rate_left = left->rate,
                                           .seconds = (left->whole_ms + 999) / 1000};
    rate_limit_reply(&call->server->reply, &state);
}
