// SPDX-License-Identifier: Apache-2.0
#include "model/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

int event_new(struct event **ret_event)
{
    struct event *ev = new0(struct event, 1);

    if (!ev)
        return -ENOMEM;
    ev->arena.s = malloc(EVENT_ARENA_SIZE);
    if (!ev->arena.s) {
        free(ev);
        return -ENOMEM;
    }
    ev->arena.cap = EVENT_ARENA_SIZE;
    event_reset(ev);
    *ret_event = ev;
    return 0;
}

struct event *event_free(struct event *ev)
{
    if (ev) {
        free(ev->arena.s);
        free(ev);
    }
    return NULL;
}

void event_reset(struct event *ev)
{
    struct arena arena = {.s = ev->arena.s, .cap = ev->arena.cap};

    memset(ev, 0, sizeof(*ev));
    ev->arena = arena;
    ev->count = 1;
    ev->rule_index = SG_RULE_NONE;
}

char *event_alloc(struct event *ev, uint32_t len)
{
    char *s;

    if (len > ev->arena.cap - ev->arena.len)
        return NULL;
    s = ev->arena.s + ev->arena.len;
    ev->arena.len += len;
    return s;
}

struct bytes bytes_basename(struct bytes path)
{
    const char *slash = path.len ? memrchr(path.s, '/', path.len) : NULL;
    uint32_t skip = slash ? (uint32_t)(slash - path.s) + 1 : 0;

    return (struct bytes){path.s + skip, path.len - skip};
}
