/* How many items an identity may have in hand: a number to begin with, and more as it computes. */
#include "fcgi/store/in_hand.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

enum { START = 100, MANY = 10000 };

static struct in_hand in_hand;

static int64_t room(const char *identity, int64_t span) {
    return in_hand_room(&in_hand, identity, span, START);
}

static void worked(const char *identity, int64_t span, int64_t finished, int64_t links) {
    in_hand_worked(&in_hand, identity, span,
                   &(struct in_hand_work){.finished = finished, .links = links});
}

static void test_items(void) {
    is_int(room("a", 7), START, "who is new has what everybody begins with");
    in_hand_add(&in_hand, "a", 60);
    is_int(room("a", 7), 40, "less what it has in hand");
    in_hand_add(&in_hand, "a", 60);
    is_int(room("a", 8), 0, "never less than none");
    is_int(room("b", 8), START, "another has its own");
    is_int(room("a", 1000), 0, "what is in hand counts for as long as it is");
    in_hand_add(&in_hand, "a", -30);
    is_int(room("a", 1000), 10, "and no longer");
    in_hand_clear(&in_hand);
    is_int(room("a", 1000), START, "nor when all is counted again");
}

static void test_work(void) {
    in_hand_add(&in_hand, "w", START);
    worked("w", 20, 10, 0);
    is_int(room("w", 20), 20, "two more for one that is finished");
    worked("w", 21, 0, 5 * IN_HAND_LINKS);
    is_int(room("w", 21), 25, "one for as many links as make one");
    worked("w", 21, 0, IN_HAND_LINKS - 1);
    is_int(room("w", 21), 25, "none for less");
    is_int(room("w", 23), 25, "four spans count");
    is_int(room("w", 24), 5, "the fifth does not");
    is_int(room("w", 1000), 0, "nor what is long ago");
}

static void test_many(void) {
    char name[QUEUE_NAME_SIZE];
    memset(&in_hand, 0, sizeof in_hand);
    int wrong = 0;
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "identity %d", i);
            if (turn == 0)
                in_hand_add(&in_hand, name, i % START);
            else
                wrong += room(name, 50) != START - i % START;
        }
    }
    is_int(wrong, 0, "as many as there may be keys are told apart");
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "later %d", i);
        in_hand_add(&in_hand, name, 1);
    }
    ok(in_hand.count < IN_HAND_PLACES, "more than there can be at one time still find a place");
}

int main(void) {
    test_items();
    test_work();
    test_many();
    return done_testing();
}
