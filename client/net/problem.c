#include "net/problem.h"

#include <stdio.h>
#include <string.h>

static const char prefix[] = "urn:hashmill:problem:";

void problem_at(struct problem *problem, const struct json *json, int object) {
    char type[sizeof problem->name + sizeof prefix - 1];
    *problem = (struct problem){0};
    if (json_string(json, json_member(json, object, "type"), type, sizeof type) &&
        strncmp(type, prefix, strlen(prefix)) == 0)
        snprintf(problem->name, sizeof problem->name, "%s", type + strlen(prefix));
    if (!json_string(json, json_member(json, object, "detail"), problem->detail,
                     sizeof problem->detail))
        snprintf(problem->detail, sizeof problem->detail, "%s", problem->name);
}

void problem_read(struct problem *problem, const char *body, size_t length, char *why,
                  size_t why_size) {
    struct json json = {0};
    const char *reason;
    if (json_parse(&json, body, length, &reason))
        problem_at(problem, &json, 0);
    if (problem->detail[0] != '\0')
        snprintf(why, why_size, "%s", problem->detail);
    json_free(&json);
}

bool status_is_refusal(int status) {
    return status >= 400 && status <= 499;
}

bool problem_passes(int status, const char *name) {
    return status == 503 || status == 507 ||
           (status == 429 && strcmp(name, "quota-iterations") != 0);
}
