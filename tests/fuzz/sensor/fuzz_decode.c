// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer harness for sensor/decode: any bytes give an error or an event that holds what decode.h
// promises.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "sensor/decode.h"

static struct event *event;

static void check(bool cond)
{
    if (!cond)
        abort();
}

static void check_text(struct bytes text)
{
    const struct arena *a = &event->arena;

    check(text.len == 0 || (text.s >= a->s && text.s + text.len <= a->s + a->len) ||
          (text.len == 1 && text.s[0] == '/'));
}

static void check_path(const struct event_path *path)
{
    struct bytes b = path->bytes;

    check_text(b);
    check(b.len == 0 || !memchr(b.s, '\0', b.len));
    switch (path->kind) {
    case EVENT_PATH_NONE: check(b.len == 0); break;
    case EVENT_PATH_HOST:
    case EVENT_PATH_FILESYSTEM:
        check(b.len > 0 && b.s[0] == '/' && (b.len == 1 || b.s[b.len - 1] != '/'));
        check(!memmem(b.s, b.len, "//", 2));
        break;
    case EVENT_PATH_CUT: check(b.len == 0 || b.s[0] != '/'); break;
    case EVENT_PATH_TEXT: break;
    }
}

static void check_launch(const struct launch *l)
{
    check(l->known == (l->known && event->kind == EVENT_EXEC));
    check_path(&l->cwd);
    check_path(&l->script);
    check_text(l->env);
    check(l->env.len == 0 || l->env.s[l->env.len - 1] == '\0');
    for (size_t i = 0; i < ARRAY_SIZE(l->fd); i++) {
        check(l->fd[i].kind < SG_STDIO_COUNT);
        check_path(&l->fd[i].path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decode_mount mounts[] = {
        {0x800001, BYTES("/"), BYTES("/")},
        {0x800002, BYTES("/"), BYTES("/home")},
        {0x800003, BYTES("/sub"), BYTES("/srv")},
        {0x800003, BYTES("/"), BYTES("/mnt")},
    };
    struct decode_context ctx = {.mounts = mounts, .n_mounts = ARRAY_SIZE(mounts)};

    if (!event) {
        decode_mounts_sort(mounts, ARRAY_SIZE(mounts));
        if (event_new(&event) < 0)
            abort();
    }
    if (decode_record(data, size, &ctx, event) < 0)
        return 0;
    check(event->kind > EVENT_NONE && event->kind < EVENT_KIND_COUNT);
    check(event->count >= 1 && event->first_ns <= event->time_ns);
    check(event->hook < SG_HOOK_COUNT && event->process.comm_len <= 16);
    check_path(&event->path);
    check_path(&event->path2);
    check_text(event->xattr);
    check_text(event->args);
    check(event->kind != EVENT_FINDING ||
          (event->finding.kind > SG_FINDING_NONE && event->finding.kind < SG_FINDING_COUNT));
    check_launch(&event->launch);
    return 0;
}
