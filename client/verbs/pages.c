#include "verbs/pages.h"

#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "net/net.h"

/* Writes the path of the next page, which a header field Link names: </items?...>; rel="next".
 * False when there is none, or, with a message, when it is the same page again. */
static bool next_page(struct buffer *path, const struct answer *answer, int *code) {
    const char *link = answer->link.length > 0 ? answer->link.data : "";
    const char *end = strchr(link, '>');
    if (strncmp(link, "</items?", strlen("</items?")) != 0 || !end || !strstr(end, "rel=\"next\""))
        return false;
    size_t length = (size_t)(end - link - 1);
    if (strlen(path->data) == length && memcmp(path->data, link + 1, length) == 0) {
        answer_odd(answer);
        *code = CLIENT_FAILED;
        return false;
    }
    buffer_clear(path);
    buffer_append(path, link + 1, length);
    buffer_append(path, "", 1);
    return true;
}

/* Hands the items of one page over. *more: whether `each` wants more. */
static int take_page(const struct answer *answer, struct json *json,
                     bool (*each)(void *context, const struct item *item), void *context,
                     bool *more) {
    struct item item;
    if (!answer_list(answer, json))
        return CLIENT_FAILED;
    for (int at = json_first(json, 0); at >= 0 && *more; at = json_next(json, at)) {
        if (!item_read(&item, answer, json, at))
            return CLIENT_FAILED;
        *more = each(context, &item);
    }
    return CLIENT_DONE;
}

int pages_read(struct session *session, const char *query,
               bool (*each)(void *context, const struct item *item), void *context,
               int64_t *pages) {
    struct buffer path = {0};
    struct answer answer = {0};
    struct json json = {0};
    bool more = true;
    int code = CLIENT_DONE;
    *pages = 0;
    buffer_printf(&path, "/items?%s", query);
    buffer_append(&path, "", 1);
    while (more && code == CLIENT_DONE) {
        struct ask ask = {.method = "GET", .path = path.data};
        code = net_call(session->net, NET_ANY, &ask, &answer);
        if (code == CLIENT_DONE)
            code = answer_judge(&answer, "the list of items");
        if (code == CLIENT_DONE)
            code = take_page(&answer, &json, each, context, &more);
        more = more && code == CLIENT_DONE && next_page(&path, &answer, &code);
        *pages += 1;
    }
    buffer_free(&path);
    answer_free(&answer);
    json_free(&json);
    return code;
}
