// SPDX-License-Identifier: Apache-2.0
#include "model/names.h"

#include "abi/control.h"
#include "base/macro.h"

static const char *const kinds[] = {
    [EVENT_FILE] = "file",       [EVENT_FORK] = "fork",       [EVENT_EXEC] = "exec",
    [EVENT_EXIT] = "exit",       [EVENT_MOUNT] = "mount",     [EVENT_CANARY] = "canary",
    [EVENT_ENTERED] = "entered", [EVENT_CONTROL] = "control", [EVENT_FINDING] = "finding",
};

static const char *const hooks[SG_HOOK_COUNT] = {
#define SG_HOOK(id, ops, canary, help) [SG_HOOK_##id] = #id,
#include "abi/hooks.def"
};

static const char *const modes[] = {
    [EVENT_MODE_ENFORCE] = "enforce",
    [EVENT_MODE_MONITOR] = "monitor",
};

static const char *const outcomes[] = {
    [EVENT_OUTCOME_PASSED] = "passed",     [EVENT_OUTCOME_WOULD_DENY] = "would_deny",
    [EVENT_OUTCOME_NOT_HELD] = "not_held", [EVENT_OUTCOME_DENIED] = "denied",
    [EVENT_OUTCOME_KILLED] = "killed",     [EVENT_OUTCOME_STOPPED] = "stopped",
};

static const char *const verdicts[] = {
    [SG_ALLOW] = "allow", [SG_AUDIT] = "audit", [SG_DENY] = "deny",
    [SG_KILL] = "kill",   [SG_STOP] = "stop",
};

static const char *const reasons[] = {
    [SG_REASON_NONE] = "none",
    [SG_REASON_DISCONNECTED] = "disconnected",
    [SG_REASON_DEPTH] = "depth",
    [SG_REASON_RACE] = "race",
    [SG_REASON_IMAGE] = "image",
    [SG_REASON_MEMORY] = "memory",
    [SG_REASON_GENERATION] = "generation",
    [SG_REASON_TARGET] = "target",
    [SG_REASON_SENDER] = "sender",
};

static const char *const controls[] = {
#define SG_CONTROL(id, arg, help) [SG_CONTROL_##id] = #id,
#include "abi/control.def"
};

// Where none is meant, none.
static const char *const defences[] = {
    NULL,
#define SG_GUARD_ACT(id, word) (word),
#include "abi/guard.def"
};

static const char *const rings[] = {
    [EVENT_RING_SECURITY] = "security",
    [EVENT_RING_AUDIT] = "audit",
    [EVENT_RING_PROCESS] = "process",
    [EVENT_RING_NETWORK] = "network",
};

static const char *const path_kinds[] = {
    [EVENT_PATH_NONE] = "none", [EVENT_PATH_HOST] = "host", [EVENT_PATH_FILESYSTEM] = "filesystem",
    [EVENT_PATH_CUT] = "cut",   [EVENT_PATH_TEXT] = "text",
};

static const char *const sessions[] = {
    [SG_SESSION_NONE] = "none", [SG_SESSION_SERVICE] = "service", [SG_SESSION_SSH] = "ssh",
    [SG_SESSION_CRON] = "cron", [SG_SESSION_CONSOLE] = "console",
};

// In the order of enum sg_op.
static const char *const accesses[] = {
    "read",  "write", "create", "delete", "rename", "link", "chmod",  "chown",
    "xattr", "exec",  "mmap",   "io",     "mount",  "load", "launch", "control",
};
STATIC_ASSERT(SG_OP_CONTROL == 1u << (SG_OP_COUNT - 1), "the last operation has the last word");

// In the order of SG_RECORD_*.
static const char *const flags[] = {
    "monitor", "path_cut", "unresolved", "relabel", "inherited", "compat", "kthread", "path2_cut",
};
STATIC_ASSERT(SG_RECORD_PATH2_CUT == 1u << (EVENT_FLAG_COUNT - 1),
              "the last flag has the last word");

static const char *const stdio_kinds[] = {
    [SG_STDIO_CLOSED] = "closed", [SG_STDIO_FILE] = "file",     [SG_STDIO_TTY] = "tty",
    [SG_STDIO_PIPE] = "pipe",     [SG_STDIO_SOCKET] = "socket", [SG_STDIO_NULL] = "null",
    [SG_STDIO_OTHER] = "other",
};

// In the order of SG_LAUNCH_*.
static const char *const launches[] = {
    "memory", "deleted", "foreign", "secure", "script", "args_cut", "env_cut", "compat",
};
STATIC_ASSERT(SG_LAUNCH_COMPAT == 1u << (LAUNCH_FLAG_COUNT - 1), "the last flag has the last word");

static const char *const capabilities[] = {
#define CAP(name, number) [number] = #name,
#include "model/caps.def"
#undef CAP
};

// The word at a number of a table, which has as many as there are numbers.
#define LOOKUP(func, type, table, count)                                          \
    STATIC_ASSERT(ARRAY_SIZE(table) == (count), "a word for every number");       \
    const char *func(type number)                                                 \
    {                                                                             \
        return (size_t)number < ARRAY_SIZE(table) ? table[(size_t)number] : NULL; \
    }

LOOKUP(event_kind_name, enum event_kind, kinds, EVENT_KIND_COUNT)
LOOKUP(event_hook_name, enum sg_hook, hooks, SG_HOOK_COUNT)
LOOKUP(event_mode_name, enum event_mode, modes, EVENT_MODE_COUNT)
LOOKUP(event_outcome_name, enum event_outcome, outcomes, EVENT_OUTCOME_COUNT)
LOOKUP(event_verdict_name, enum sg_verdict, verdicts, SG_VERDICT_COUNT)
LOOKUP(event_reason_name, enum sg_reason, reasons, SG_REASON_COUNT)
LOOKUP(event_control_name, enum sg_control, controls, SG_CONTROL_COUNT)
LOOKUP(event_defence_name, unsigned, defences, SG_GUARD_ACTS + 1)
LOOKUP(event_ring_name, enum event_ring, rings, EVENT_RING_COUNT)
LOOKUP(event_path_kind_name, enum event_path_kind, path_kinds, EVENT_PATH_KIND_COUNT)
LOOKUP(session_name, enum sg_session, sessions, SG_SESSION_COUNT)
LOOKUP(access_name, unsigned, accesses, SG_OP_COUNT)
LOOKUP(event_flag_name, unsigned, flags, EVENT_FLAG_COUNT)
LOOKUP(stdio_kind_name, enum sg_stdio_kind, stdio_kinds, SG_STDIO_COUNT)
LOOKUP(launch_flag_name, unsigned, launches, LAUNCH_FLAG_COUNT)
LOOKUP(capability_name, unsigned, capabilities, CAPABILITY_COUNT)

static const struct {
    enum sg_control kind;
    const char *word;
    uint32_t number;
} words[] = {
#define CONTROL_WORD(kind, word, number) {SG_CONTROL_##kind, #word, number},
#include "model/control_words.def"
#define CAP(name, number) {SG_CONTROL_capability, #name, number},
#include "model/caps.def"
#undef CAP
};

const char *control_word(enum sg_control kind, uint64_t number)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (words[i].kind == kind && words[i].number == number)
            return words[i].word;
    return NULL;
}
