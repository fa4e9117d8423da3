/* The log: its two forms with hostile texts, the priorities for systemd's journal, and the ids of
 * requests. */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "tap.h"

static int said; /* the other end of standard error */

/* What was logged last, without its line break; "" when nothing was. */
static const char *logged(void) {
    static char line[2 * PIPE_BUF];
    ssize_t length = recv(said, line, sizeof line - 1, MSG_DONTWAIT);
    line[length < 0 ? 0 : length] = '\0';
    if (length > 0 && line[length - 1] == '\n')
        line[length - 1] = '\0';
    return line;
}

/* What follows the level in a line of text. */
static const char *text_of(const char *line) {
    const char *end = strstr(line, ": ");
    return end ? end + 2 : line;
}

/* A member of a line of JSON; "" when there is none, or the line is no JSON. */
static const char *member(const char *line, const char *name) {
    static struct json json;
    static char text[2 * PIPE_BUF];
    const char *why;
    if (!json_parse(&json, line, strlen(line), &why) ||
        !json_string(&json, json_member(&json, 0, name), text, sizeof text))
        return "";
    return text;
}

/* The priority at the start of what is logged at each level, as "3467". */
static const char *priorities(void) {
    static char all[5];
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        void (*const log[])(const char *, ...) = {log_error, log_warn, log_info, log_debug};
        log[level]("text");
        const char *line = logged();
        all[level] = line[0] == '<' && line[2] == '>' ? line[1] : '-';
    }
    return all;
}

static void check_text(void) {
    log_open("program", "role");
    errno = ENOENT;
    log_warn("%s: %m", "file");
    is_int(errno, ENOENT, "errno is preserved");
    const char *line = logged();
    ok(strstr(line, "Z program[") && strstr(line, "] role warn: file: No such file"), "a text");
    log_info("a\nb\x1b[2J\xff\xc3\xa4\"\\");
    is_text(text_of(logged()), "a\\x0ab\\x1b[2J\\xff\\xc3\\xa4\"\\", "forges no line");
    log_debug("text");
    is_text(logged(), "", "debug is not written");
    log_set_request("a.B_c-1");
    log_info("text");
    is_text(text_of(logged()), "text (request a.B_c-1)", "the id of a request");
    is_text(log_get_request().id, "a.B_c-1", "which can go along to another process");
    log_set_request(NULL);
    is_text(log_get_request().id, "", "or none");
    log_info("text");
    is_text(text_of(logged()), "text", "which ends");
}

static void check_json(void) {
    char own[20];
    enum log_format format = LOG_FORMAT_TEXT;
    ok(!log_format_named("xml", &format) && log_format_named("JSON", &format), "the names");
    log_set_format(format);
    log_error("text");
    const char *line = logged();
    snprintf(own, sizeof own, "\"pid\":%d,", (int)getpid());
    ok(strstr(line, own), "the process");
    is_int((long long)strlen(member(line, "time")), 24, "the time");
    is_text(member(line, "level"), "error", "the level");
    is_text(member(line, "program"), "program", "the program");
    is_text(member(line, "role"), "role", "the role");
    is_text(member(line, "message"), "text", "the message");
    is_text(member(line, "request"), "", "no request");
    log_info("\"a\\\n\x1b\x7f \xc3\xa4 \xe2\x80\xa8 \xf0\x9f\x98\x80 \xc3 \xed\xa0\x80\xff");
    line = logged();
    is_text(member(line, "message"),
            "\"a\\\n\x1b\x7f \xc3\xa4 \xe2\x80\xa8 \xf0\x9f\x98\x80 \xef\xbf\xbd "
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
            "a hostile text comes back, but for what is not UTF-8");
    ok(strspn(line, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
                    "abcdefghijklmnopqrstuvwxyz{|}~") == strlen(line),
       "the line is plain ASCII");
}

/* The longest lines that there are. */
static void check_length(void) {
    char text[3001];
    char id[LOG_REQUEST_SIZE];
    memset(text, '\x01', sizeof text);
    memset(id, 'x', sizeof id);
    text[3000] = id[LOG_REQUEST_SIZE - 1] = '\0';
    log_set_request(id);
    log_info("%s", text);
    const char *line = logged();
    ok(strlen(line) < PIPE_BUF && strlen(line) > PIPE_BUF - 200, "a long text is cut");
    is_text(member(line, "request"), id, "and the id is whole");
    log_set_format(LOG_FORMAT_TEXT);
    log_info("%s", text);
    line = logged();
    ok(strlen(line) < PIPE_BUF && strstr(line, id), "so in the other form");
    log_set_request(NULL);
}

static void check_journal(void) {
    struct stat own;
    char named[100];
    if (fstat(STDERR_FILENO, &own) != 0)
        abort();
    log_set_level(LOG_LEVEL_DEBUG);
    is_text(priorities(), "----", "without a journal there is no priority");
    snprintf(named, sizeof named, "%ju:%ju", (uintmax_t)own.st_dev, (uintmax_t)own.st_ino + 1);
    setenv("JOURNAL_STREAM", named, 1);
    log_open("program", "role");
    is_text(priorities(), "----", "nor when standard error is something else");
    setenv("JOURNAL_STREAM", "", 1);
    log_open("program", "role");
    is_text(priorities(), "----", "nor with a variable that is empty");
    snprintf(named, sizeof named, "%ju:%ju", (uintmax_t)own.st_dev, (uintmax_t)own.st_ino);
    setenv("JOURNAL_STREAM", named, 1);
    log_open("program", "role");
    is_text(priorities(), "3467", "the priorities for the journal");
    log_set_format(LOG_FORMAT_JSON);
    log_info("text");
    const char *line = logged();
    ok(strncmp(line, "<6>{", 4) == 0, "also before JSON");
    is_text(member(line + 3, "message"), "text", "which is whole");
}

int main(void) {
    int ends[2];
    unsetenv("JOURNAL_STREAM");
    int before = dup(STDERR_FILENO);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        abort();
    said = ends[0];
    check_text();
    check_json();
    check_length();
    check_journal();
    dup2(before, STDERR_FILENO);
    return done_testing();
}
