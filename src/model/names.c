// SPDX-License-Identifier: Apache-2.0
#include "model/names.h"

#include "base/macro.h"

// Defines func(): the word at a number of a table, whose length the enum's count has to be.
#define NAMES(func, type, count, ...)                                                    \
    static const char *const func##_table[] = {__VA_ARGS__};                             \
    STATIC_ASSERT(ARRAY_SIZE(func##_table) == (count), "a word for every number");       \
    const char *func(type number)                                                        \
    {                                                                                    \
        return (size_t)number < ARRAY_SIZE(func##_table) ? func##_table[number] : NULL; \
    }

NAMES(event_kind_name, enum event_kind, EVENT_KIND_COUNT,
      [EVENT_FILE] = "file", [EVENT_FORK] = "fork", [EVENT_EXEC] = "exec", [EVENT_EXIT] = "exit",
      [EVENT_MOUNT] = "mount", [EVENT_CANARY] = "canary")

const char *event_hook_name(enum sg_hook hook)
{
    static const char *const table[SG_HOOK_COUNT] = {
#define SG_HOOK(id, ops, canary, help) [SG_HOOK_##id] = #id,
#include "abi/hooks.def"
    };

    return (size_t)hook < ARRAY_SIZE(table) ? table[hook] : NULL;
}

NAMES(event_mode_name, enum event_mode, EVENT_MODE_COUNT,
      [EVENT_MODE_ENFORCE] = "enforce", [EVENT_MODE_MONITOR] = "monitor")

NAMES(event_outcome_name, enum event_outcome, EVENT_OUTCOME_COUNT,
      [EVENT_OUTCOME_PASSED] = "passed", [EVENT_OUTCOME_WOULD_DENY] = "would_deny",
      [EVENT_OUTCOME_NOT_HELD] = "not_held", [EVENT_OUTCOME_DENIED] = "denied",
      [EVENT_OUTCOME_KILLED] = "killed")

NAMES(event_verdict_name, enum sg_verdict, SG_KILL + 1,
      [SG_ALLOW] = "allow", [SG_AUDIT] = "audit", [SG_DENY] = "deny", [SG_KILL] = "kill")

NAMES(event_reason_name, enum sg_reason, SG_REASON_COUNT,
      [SG_REASON_NONE] = "none", [SG_REASON_DISCONNECTED] = "disconnected",
      [SG_REASON_DEPTH] = "depth", [SG_REASON_RACE] = "race", [SG_REASON_IMAGE] = "image",
      [SG_REASON_MEMORY] = "memory")

NAMES(event_ring_name, enum event_ring, EVENT_RING_COUNT,
      [EVENT_RING_SECURITY] = "security", [EVENT_RING_AUDIT] = "audit",
      [EVENT_RING_PROCESS] = "process")

NAMES(event_path_kind_name, enum event_path_kind, EVENT_PATH_KIND_COUNT,
      [EVENT_PATH_NONE] = "none", [EVENT_PATH_HOST] = "host",
      [EVENT_PATH_FILESYSTEM] = "filesystem", [EVENT_PATH_CUT] = "cut",
      [EVENT_PATH_TEXT] = "text")

NAMES(session_name, enum sg_session, SG_SESSION_COUNT,
      [SG_SESSION_NONE] = "none", [SG_SESSION_SERVICE] = "service", [SG_SESSION_SSH] = "ssh",
      [SG_SESSION_CRON] = "cron", [SG_SESSION_CONSOLE] = "console")

// In the order of enum sg_op.
NAMES(access_name, unsigned, SG_OP_COUNT,
      "read", "write", "create", "delete", "rename", "link", "chmod", "chown", "xattr", "exec",
      "mmap", "io", "mount")
STATIC_ASSERT(SG_OP_MOUNT == 1u << (SG_OP_COUNT - 1), "the last operation has the last word");

// In the order of SG_RECORD_*.
NAMES(event_flag_name, unsigned, EVENT_FLAG_COUNT,
      "monitor", "path_cut", "unresolved", "relabel", "inherited", "compat", "kthread")
STATIC_ASSERT(SG_RECORD_KTHREAD == 1u << (EVENT_FLAG_COUNT - 1), "the last flag has the last word");
