/* What a provider prints, read with distrust. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

enum { WORD_SIZE = 33 };

bool provider_is_id(const char *text) {
    size_t length = strlen(text);
    if (length == 0 || length >= PROVIDER_NAME_SIZE || !isalnum((unsigned char)text[0]))
        return false;
    for (const char *at = text; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("._:/+=-", *at))
            return false;
    }
    return true;
}

/* Copies the next word of a line into word and moves *line past it. False when there is none or it
 * does not fit. */
static bool next_word(const char **line, char *word, size_t size) {
    const char *begin = *line + strspn(*line, " \t");
    size_t length = strcspn(begin, " \t");
    if (length == 0 || length >= size)
        return false;
    memcpy(word, begin, length);
    word[length] = '\0';
    *line = begin + length;
    return true;
}

/* Whole seconds since 1970. */
static bool read_seconds(const char *word, int64_t *seconds) {
    char *end;
    errno = 0;
    long long number = strtoll(word, &end, 10);
    *seconds = number;
    return isdigit((unsigned char)word[0]) && errno == 0 && *end == '\0';
}

/* Reads one line. A name that no node gives, as it may have blanks, becomes "-". */
static bool read_line(const char *line, struct provider_machine *machine) {
    char state[WORD_SIZE];
    char launched[WORD_SIZE];
    if (!next_word(&line, machine->id, sizeof machine->id) || !provider_is_id(machine->id) ||
        !next_word(&line, state, sizeof state) || !next_word(&line, launched, sizeof launched) ||
        !read_seconds(launched, &machine->launched))
        return false;
    machine->over = strcmp(state, "terminated") == 0;
    bool named = next_word(&line, machine->name, sizeof machine->name) &&
                 provider_is_id(machine->name) && line[strspn(line, " \t")] == '\0';
    if (!named)
        snprintf(machine->name, sizeof machine->name, "-");
    return true;
}

int provider_read_list(const char *text, struct provider_machine *list, const char **why) {
    char line[300];
    int count = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        text += length + (text[length] == '\n');
        if (line[strspn(line, " \t")] == '\0')
            continue;
        if (count == PROVIDER_LIST_MAX) {
            *why = "it lists more machines than anybody needs";
            return -1;
        }
        if (length >= sizeof line || !read_line(line, &list[count])) {
            *why = "a line of its list is not ID STATE LAUNCHED NAME";
            return -1;
        }
        count++;
    }
    return count;
}
