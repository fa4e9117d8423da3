#include "fleet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/machine_token.h"
#include "clock.h"
#include "queue/queue_operators.h"

enum {
    SILENT_MS = 60000,        /* least time of silence: idle workers call every 25 s */
    SHOWN_MS = 60 * 60 * 1000 /* workers whose last call is not older are shown */
};

void fleet_open(struct fleet *fleet, const struct conf *conf) {
    fleet->conf = conf;
    fleet->wanted.node = SCALING_NOBODY;
}

int64_t fleet_silent_ms(const struct conf *conf) {
    int64_t lease_ms = conf->lease_seconds * 1000;
    return lease_ms > SILENT_MS ? lease_ms : SILENT_MS;
}

struct fleet_note *fleet_note(struct fleet *fleet, const char *name) {
    struct fleet_note *free_place = NULL;
    for (int i = 0; i < QUEUE_MACHINES_MAX; i++) {
        struct fleet_note *note = &fleet->all_notes[i];
        if (strcmp(note->name, name) == 0)
            return note;
        if (note->name[0] == '\0' && !free_place)
            free_place = note;
    }
    if (free_place)
        snprintf(free_place->name, sizeof free_place->name, "%s", name);
    return free_place;
}

/* The machine of that name among those saved, or NULL. */
static struct queue_machine *find_saved(struct fleet *fleet, const char *name) {
    for (int i = 0; i < fleet->saved.machine_count; i++) {
        if (strcmp(fleet->saved.machines[i].name, name) == 0)
            return &fleet->saved.machines[i];
    }
    return NULL;
}

/* Drops machines whose names are not of this node: their workers call, but they are not ours. */
static void drop_foreign(struct fleet *fleet) {
    int count = 0;
    for (int i = 0; i < fleet->saved.machine_count; i++) {
        if (machine_is_own(fleet->conf, fleet->saved.machines[i].name))
            fleet->saved.machines[count++] = fleet->saved.machines[i];
    }
    fleet->saved.machine_count = count;
}

/* Adds listed machines that have a name of this node but are not saved. */
static void add_strays(struct fleet *fleet) {
    for (int i = 0; i < fleet->list_count; i++) {
        const struct provider_machine *listed = &fleet->list[i];
        if (listed->over || !machine_is_own(fleet->conf, listed->name) ||
            find_saved(fleet, listed->name) || fleet->saved.machine_count == QUEUE_MACHINES_MAX)
            continue;
        struct queue_machine *machine = &fleet->saved.machines[fleet->saved.machine_count++];
        *machine = (struct queue_machine){.state = MACHINE_GONE, .heard_ms = -1};
        memcpy(machine->name, listed->name, sizeof machine->name);
        memcpy(machine->id, listed->id, sizeof machine->id);
    }
}

/* Gives every machine its note, and frees the notes of others. */
static void assign_notes(struct fleet *fleet) {
    int64_t now_ms = clock_steady_ms();
    for (int i = 0; i < QUEUE_MACHINES_MAX; i++) {
        struct fleet_note *note = &fleet->all_notes[i];
        if (note->name[0] != '\0' && !find_saved(fleet, note->name))
            *note = (struct fleet_note){0};
    }
    for (int i = 0; i < fleet->saved.machine_count; i++) {
        const struct queue_machine *machine = &fleet->saved.machines[i];
        struct fleet_note *note = fleet_note(fleet, machine->name);
        fleet->notes[i] = note;
        if (machine->state == MACHINE_LEAVING && note->leaving_ms == 0)
            note->leaving_ms = now_ms;
    }
}

bool fleet_read(struct fleet *fleet, struct queue *queue) {
    if (queue_tally(queue, &queue_everybodys, &fleet->tally) != QUEUE_OK)
        return false;
    int64_t clock_ms = fleet->tally.clock_ms;
    struct queue_fleet_since moments = {.shown_ms = clock_ms - SHOWN_MS,
                                        .silent_ms = clock_ms - fleet_silent_ms(fleet->conf)};
    if (queue_fleet(queue, &moments, &fleet->saved) != QUEUE_OK || !fleet_read_peers(fleet, queue))
        return false;
    drop_foreign(fleet);
    add_strays(fleet);
    assign_notes(fleet);
    return true;
}

/* How many running machines the list has under a name. */
static int count_copies(const struct fleet *fleet, const char *name, bool *listed) {
    int copies = 0;
    *listed = false;
    for (int i = 0; i < fleet->list_count; i++) {
        if (strcmp(fleet->list[i].name, name) != 0)
            continue;
        *listed = true;
        copies += !fleet->list[i].over;
    }
    return copies;
}

bool fleet_take_list(struct fleet *fleet, const char *text, int64_t begun_ms, const char **why) {
    static struct provider_machine list[PROVIDER_LIST_MAX];
    int count = provider_read_list(text, list, why);
    if (count < 0)
        return false;
    fleet->listed = true;
    fleet->list_begun_ms = begun_ms;
    fleet->list_count = count;
    memcpy(fleet->list, list, (size_t)count * sizeof *list);
    for (int i = 0; i < QUEUE_MACHINES_MAX; i++) {
        struct fleet_note *note = &fleet->all_notes[i];
        bool listed;
        if (note->name[0] == '\0')
            continue;
        count_copies(fleet, note->name, &listed);
        if (listed)
            note->absent_ms = 0;
        else if (note->absent_ms == 0 && note->launched_ms <= begun_ms)
            note->absent_ms = begun_ms;
    }
    return true;
}

/* Whether the last list was begun after all other news of a machine. */
static bool list_is_newer(const struct fleet *fleet, const struct provider *provider, int number,
                          const struct scaling_machine *machine) {
    const struct fleet_note *note = fleet->notes[number];
    const struct queue_machine *saved = &fleet->saved.machines[number];
    int64_t list_age_ms = clock_steady_ms() - fleet->list_begun_ms;
    bool heard = machine->heard_ms >= 0 && machine->heard_ms <= list_age_ms;
    bool launching = note->launched_ms > fleet->list_begun_ms || machine->age_ms <= list_age_ms ||
                     provider_is_calling(provider, PROVIDER_LAUNCH, saved->name);
    if (!fleet->listed || heard || launching)
        return false;
    if (machine->state != MACHINE_LEAVING)
        return true;
    bool terminated = note->terminated_ms > 0 && note->terminated_ms <= fleet->list_begun_ms;
    return note->leaving_ms <= fleet->list_begun_ms &&
           (terminated || saved->id[0] == '\0' || machine->listing == LISTING_TERMINATED);
}

/* How long ago a moment of the queue clock was; -1 for never. The moment may be a little later than
 * clock_ms, which was read before it. */
static int64_t since(int64_t clock_ms, int64_t moment_ms) {
    if (moment_ms < 0)
        return -1;
    return moment_ms < clock_ms ? clock_ms - moment_ms : 0;
}

/* Describes one machine for the decision. */
static void describe(const struct fleet *fleet, const struct provider *provider, int number,
                     struct scaling_machine *machine) {
    const struct queue_machine *saved = &fleet->saved.machines[number];
    const struct fleet_note *note = fleet->notes[number];
    int64_t clock_ms = fleet->tally.clock_ms;
    bool listed;
    int copies = count_copies(fleet, saved->name, &listed);
    *machine = (struct scaling_machine){
        .state = saved->state,
        .has_id = saved->id[0] != '\0',
        .failing = note->failing,
        .age_ms = clock_ms - saved->launched_ms,
        .heard_ms = since(clock_ms, saved->heard_ms),
        .rate = saved->rate,
        .items = saved->items,
        .copies = copies,
    };
    if (fleet->listed)
        machine->listing = copies > 0 ? LISTING_RUNNING
                           : listed   ? LISTING_TERMINATED
                                      : LISTING_ABSENT;
    if (machine->listing == LISTING_ABSENT && note->absent_ms > 0)
        machine->absent_ms = fleet->list_begun_ms - note->absent_ms;
    machine->list_is_newer = list_is_newer(fleet, provider, number, machine);
}

void fleet_snapshot(const struct fleet *fleet, const struct provider *provider,
                    struct scaling_snapshot *snapshot) {
    const struct conf *conf = fleet->conf;
    const struct queue_fleet *saved = &fleet->saved;
    bool leasing = (fleet->tally.paused & PART_LEASING) == 0;
    *snapshot = (struct scaling_snapshot){
        .rules = {.workers_min = conf->workers_min,
                  .workers_max = conf->workers_max,
                  .wait_launch_ms = conf->wait_launch_seconds * 1000,
                  .silent_ms = fleet_silent_ms(conf),
                  .boot_max_ms = conf->boot_seconds_max * 1000,
                  .loan_ms = conf->loan_seconds * 1000},
        .paused = (fleet->tally.paused & PART_SCALING) != 0,
        .oldest_wait_ms = leasing ? fleet->tally.oldest_wait_ms : 0,
        .waiting = leasing ? fleet->tally.items[ITEM_WAITING] : 0,
        .remaining = fleet->tally.remaining,
        .outside_rate = saved->outside_rate,
        .boot_ms = saved->boot_ms >= 0 ? saved->boot_ms : conf->boot_seconds * 1000,
        .machine_rate = saved->machine_rate,
        .count = saved->machine_count,
    };
    for (int i = 0; i < saved->machine_count; i++)
        describe(fleet, provider, i, &snapshot->machines[i]);
    fleet_describe_loans(fleet, snapshot);
}

int fleet_ids(const struct fleet *fleet, const struct queue_machine *machine,
              const char *ids[PROVIDER_IDS_MAX]) {
    int count = 0;
    if (machine->id[0] != '\0')
        ids[count++] = machine->id;
    for (int i = 0; i < fleet->list_count && count < PROVIDER_IDS_MAX; i++) {
        const struct provider_machine *listed = &fleet->list[i];
        if (!listed->over && strcmp(listed->name, machine->name) == 0 &&
            strcmp(listed->id, machine->id) != 0)
            ids[count++] = listed->id;
    }
    return count;
}
