#include "verify/checks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "memory.h"
#include "mill/item.h"

enum { VALUE_DIGITS = 2 * CHAIN_SIZE };

/* Reads a value's digits, which may be in upper case, too. */
static bool read_value(uint8_t value[CHAIN_SIZE], const char *digits, size_t length) {
    char lower[VALUE_DIGITS];
    if (length != VALUE_DIGITS)
        return false;
    for (int i = 0; i < VALUE_DIGITS; i++) {
        char digit = digits[i];
        lower[i] = (char)(digit >= 'A' && digit <= 'F' ? digit - 'A' + 'a' : digit);
    }
    return hex_decode(value, CHAIN_SIZE, lower, VALUE_DIGITS);
}

static void add(struct checks *checks, const struct check *check) {
    if (checks->count == checks->capacity) {
        checks->capacity = checks->capacity ? 2 * checks->capacity : 16;
        checks->list =
            memory_or_end(realloc(checks->list, checks->capacity * sizeof *check), "the list");
    }
    checks->list[checks->count++] = *check;
}

/* Reads a number of iterations in decimal. */
static bool read_iterations(int64_t *iterations, const char *text) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 16 || text[digits] != '\0')
        return false;
    *iterations = strtoll(text, NULL, 10);
    return *iterations >= 1 && *iterations <= ITERATIONS_MAX;
}

bool checks_add(struct checks *checks, const char *file, const char *iterations, const char *value,
                char *why, size_t why_size) {
    struct check check = {0};
    if (!read_iterations(&check.iterations, iterations)) {
        snprintf(why, why_size, "N must be a whole number from 1 to %lld",
                 (long long)ITERATIONS_MAX);
        return false;
    }
    if (!read_value(check.wanted, value, strlen(value))) {
        snprintf(why, why_size, "VALUE must be %d hex digits", VALUE_DIGITS);
        return false;
    }
    check.file = memory_or_end(strdup(file), "the list");
    add(checks, &check);
    return true;
}

/* Undoes the escapes of a name, in place. False for an escape that is none. */
static bool unescape(char *name) {
    char *to = name;
    for (const char *from = name; *from != '\0'; from++) {
        char byte = *from;
        if (byte == '\\') {
            from++;
            byte = (char)(*from == 'n' ? '\n' : *from == 'r' ? '\r' : *from == '\\' ? '\\' : '\0');
            if (byte == '\0')
                return false;
        }
        *to++ = byte;
    }
    *to = '\0';
    return true;
}

/* Adds a line without its newline, which is changed. False when it is no line of the kind. */
static bool add_line(struct checks *checks, char *line, size_t length, int64_t iterations) {
    struct check check = {.iterations = iterations};
    bool escaped = line[0] == '\\';
    char *digits = line + escaped, *name = digits + VALUE_DIGITS + 2;
    if (strlen(line) != length || length < (size_t)(name - line) + 1 ||
        !read_value(check.wanted, digits, VALUE_DIGITS) || name[-2] != ' ' ||
        (name[-1] != ' ' && name[-1] != '*') || (escaped && !unescape(name)))
        return false;
    check.file = memory_or_end(strdup(name), "the list");
    add(checks, &check);
    return true;
}

/* Adds all lines; the number of the one that is wrong, or 0. */
static size_t add_lines(struct checks *checks, FILE *file, int64_t iterations) {
    char *line = NULL;
    size_t size = 0, number = 0;
    ssize_t length;
    bool good = true;
    while (good && (length = getline(&line, &size, file)) >= 0) {
        number++;
        if (length > 0 && line[length - 1] == '\n')
            line[--length] = '\0';
        good = length == 0 ||
               (checks->count < CHECKS_MAX && add_line(checks, line, (size_t)length, iterations));
    }
    free(line);
    return good ? 0 : number;
}

bool checks_read(struct checks *checks, const char *path, int64_t iterations, char *why,
                 size_t why_size) {
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "re");
    if (!file) {
        snprintf(why, why_size, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    size_t wrong = add_lines(checks, file, iterations);
    bool failed = ferror(file) != 0;
    if (failed)
        snprintf(why, why_size, "cannot read %s: %s", path, strerror(errno));
    else if (checks->count == CHECKS_MAX && wrong > 0)
        snprintf(why, why_size, "%s has more than %d lines: give it in parts", path, CHECKS_MAX);
    else if (wrong > 0)
        snprintf(why, why_size,
                 "%s, line %zu: must be a value of %d hex digits, two spaces, and a file's name, "
                 "as hashmill run prints it",
                 path, wrong, VALUE_DIGITS);
    if (!is_input)
        fclose(file);
    return !failed && wrong == 0;
}

bool check_holds(const struct check *check) {
    return memcmp(check->value, check->wanted, CHAIN_SIZE) == 0;
}

void checks_free(struct checks *checks) {
    for (size_t i = 0; i < checks->count; i++)
        free(checks->list[i].file);
    free(checks->list);
    *checks = (struct checks){0};
}
