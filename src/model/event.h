// SPDX-License-Identifier: Apache-2.0
//
// What the rooms hand to one another about something that happened on the host: one `struct event`,
// and `struct who` for the process behind it. Plain records, no logic.
//
//   sensor/decode fills everything that the kernel's record says,
//   process       adds `who` and `target`, the agent adds `rule`,
//   ocsf, detect, respond and the command line read it.
//
// Ownership. An event is a buffer that is used again and again: event_new() once, then
// decode_record() empties and fills it, without allocating. Text is `struct bytes`: a pointer and a
// length, any byte may occur (names of files and processes are not UTF-8), no NUL at the end. Text
// of the event lies in its arena and is valid until the event is filled again; `who`, `target` and
// `rule` are on loan from the room that set them, and valid until that room's next call. Whoever
// keeps something copies it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/event.h"
#include "abi/guard.h"
#include "abi/network.h"
#include "abi/policy.h"
#include "abi/shared.h"
#include "base/cleanup.h"

struct bytes {
    const char *s; // NULL only when len is 0
    uint32_t len;
};

// A literal or an array with a NUL at its end.
#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})

// Clock ticks of procfs: /proc/PID/stat gives the start of a process in these, floored.
#define PROCESS_TICK_NS UINT64_C(10000000)

// A process (thread group) within one boot. Two references name the same process when tgid and the
// start in ticks are equal: procfs knows the start only to a tick, records know the nanosecond, and
// a pid cannot come round within one.
struct process_ref {
    uint32_t tgid;     // in the initial pid namespace; 0: none
    uint64_t start_ns; // CLOCK_BOOTTIME
};

#define ID_NONE UINT32_MAX // login_uid and session_id when there was no login

enum event_kind {
    EVENT_NONE = 0,
    EVENT_FILE = SG_RECORD_FILE,
    EVENT_FORK = SG_RECORD_FORK,
    EVENT_EXEC = SG_RECORD_EXEC,
    EVENT_EXIT = SG_RECORD_EXIT,
    EVENT_MOUNT = SG_RECORD_MOUNT,
    EVENT_CANARY = SG_RECORD_CANARY,
    EVENT_ENTERED = SG_RECORD_ENTERED,
    EVENT_CONTROL = SG_RECORD_CONTROL,
    EVENT_FINDING = SG_RECORD_FINDING,
    // Not of the sensor's rings.
    EVENT_FLOW = 64,
    EVENT_DNS = 65,
};
#define EVENT_KIND_COUNT 10 // of those that the sensor's rings have

// How the rule was applied.
enum event_mode {
    EVENT_MODE_ENFORCE = 0,
    EVENT_MODE_MONITOR = 1, // decided and recorded, not enforced
};
#define EVENT_MODE_COUNT 2

// What became of the access; verdict, mode and error in one word.
enum event_outcome {
    EVENT_OUTCOME_PASSED = 0,     // allow, audit, and everything that is not an access
    EVENT_OUTCOME_WOULD_DENY = 1, // the rule denies, in monitor mode
    EVENT_OUTCOME_NOT_HELD = 2,   // the rule denies, but this kernel's hook can only record
    EVENT_OUTCOME_DENIED = 3,
    EVENT_OUTCOME_KILLED = 4,
    EVENT_OUTCOME_STOPPED = 5,
};
#define EVENT_OUTCOME_COUNT 6

// How far a path can be trusted as the name on this host.
enum event_path_kind {
    EVENT_PATH_NONE = 0,       // no path in the record
    EVENT_PATH_HOST = 1,       // absolute, as the host's own mounts show it
    EVENT_PATH_FILESYSTEM = 2, // from the root of a file system that the host has not mounted
    EVENT_PATH_CUT = 3,  // the last components only, no '/' in front: the beginning did not fit
    EVENT_PATH_TEXT = 4, // as the caller wrote it: the target of a symbolic link
};
#define EVENT_PATH_KIND_COUNT 5

struct event_path {
    struct bytes bytes;
    enum event_path_kind kind;
};

// Where a rule was written. The agent owns these, one a rule of the policy in force. What stands
// behind one address does not change as long as event.policy_id does not: readers keep what they
// derived.
struct rule_ref {
    struct bytes policy; // name of the policy
    struct bytes file;   // as it was given to the compiler
    uint32_t line;       // from 1; 0: unknown
    struct bytes name;   // the rule's own name, or its text
};

// The process as the kernel saw it at that moment; ids in the initial user namespace.
struct event_process {
    struct process_ref ref;
    struct process_ref parent; // the real parent now, which need not have forked it
    uint32_t tid;
    uint32_t uid, euid, gid, egid;
    uint32_t login_uid, session_id; // audit; ID_NONE
    uint64_t cgroup_id;
    uint32_t pid_ns, mnt_ns;
    uint8_t comm_len;
    char comm[16]; // of the thread; for display only, anybody can set it; no NUL at the end
};

#define WHO_ANCESTORS_MAX 32

struct file_facts;    // model/file.h
struct network_event; // model/network.h

struct ancestor {
    struct process_ref ref;
    struct bytes exe; // empty: a kernel thread, or it was gone before anybody looked
    struct bytes comm;
};

// A descriptor 0-2 of a program that begins.
struct launch_fd {
    enum sg_stdio_kind kind;
    uint16_t family;  // AF_* of a socket
    uint8_t protocol; // IPPROTO_*
    uint16_t local_port, remote_port;
    uint8_t local[16], remote[16]; // network order; IPv4 in the first four bytes
    uint32_t dev;
    uint64_t ino;
    struct event_path path; // of files and terminals
};

// What an exec handed to the new program besides its arguments.
struct launch {
    bool known;     // the record had it
    uint32_t flags; // SG_LAUNCH_*
    uint64_t caps_effective, caps_permitted, caps_ambient;
    uint32_t mnt_ns, pid_ns, net_ns, user_ns, uts_ns, ipc_ns, cgroup_ns;
    uint32_t timens; // 0: unknown
    uint32_t tty;    // device number; 0: none
    uint32_t argc, envc;
    struct event_path cwd;
    struct event_path script; // with SG_LAUNCH_SCRIPT: event.path is its interpreter
    uint32_t script_dev;      // s_dev, as the kernel has it
    uint64_t script_ino;      // 0: not known
    struct bytes env;         // chosen variables "NAME=value", each followed by NUL
    struct launch_fd fd[3];
};

// What rules of the section `control` decide.
struct control_access {
    enum sg_control kind;
    uint64_t number[3];        // by kind
    struct bytes name;         // of a module, file system …; empty: none
    struct process_ref target; // tgid 0: nobody else
    // Of safeguard's own defence, which no rule of a policy asks for (rule_index is SG_RULE_DEFENCE): 1 + enum sg_guard_act. 0: a rule
    // decided.
    uint8_t defence;
    bool has_ends; // of kinds about sockets
    struct sg_ends ends;
};

// Something that is wrong whatever the policy says; what there is to say of its kind is in model/finding.h.
struct finding {
    enum sg_finding kind;
    struct process_ref target;           // whom it was done to; tgid 0: nobody else
    bool has_credentials;                // the next two are there
    struct sg_credentials before, after; // as they were, and as they were found
};

// Who did it, as the process room knows. Immutable once handed out: `serial` is another number as
// soon as anything in it differs, so that a reader may keep what it derived under that number.
struct who {
    uint64_t serial; // a digest of all versions that it was made from; never 0
    struct process_ref ref;
    struct bytes exe;     // path; empty for kernel threads and where it is not known
    struct bytes cmdline; // arguments joined by blanks
    struct bytes comm;    // of the leading thread
    bool exe_deleted;     // the file had no name any more when it was looked up
    bool exe_foreign;     // `exe` is a path in a file system or mount namespace not the host's
    bool kthread;
    bool cmdline_cut;
    bool incomplete; // it was gone before procfs could be asked: only what its records said
    uint32_t uid, euid, gid, egid;
    uint32_t login_uid, session_id;
    uint32_t pid_ns, mnt_ns;   // 0: unknown
    uint64_t cgroup_id;        // 0: unknown
    struct bytes user;         // of euid; empty: no name in /etc/passwd
    struct bytes login_user;   // of login_uid; empty: no login or no name
    struct bytes group;        // of egid; empty: no name in /etc/group
    struct bytes cgroup;       // path of the unified hierarchy below its root, "/system.slice/..."
    struct bytes container_id; // empty: not in a container that is known
    struct bytes container_runtime; // "docker", "containerd", ...
    struct bytes pod_uid;           // Kubernetes
    enum sg_session session;
    uint32_t n_ancestors;
    struct ancestor ancestors[WHO_ANCESTORS_MAX]; // [0] is the process that forked it
};

// Memory that is handed out in pieces and taken back as a whole.
struct arena {
    char *s;
    uint32_t len, cap;
};

// As many paths as a record has at most, with their mount points before them; the other texts.
#define EVENT_ARENA_SIZE (SG_RECORD_MAX + 6u * (SG_PATH_BYTES_MAX + 1u))

struct event {
    enum event_kind kind;
    uint16_t flags;       // SG_RECORD_*
    uint8_t ring;         // enum event_ring, as the caller of the decoder said
    bool args_cut;        // of `args`
    uint64_t time_ns;     // CLOCK_BOOTTIME
    uint64_t realtime_ns; // the same since 1970
    uint64_t first_ns;    // of the first of `count`; io: the open; EXIT: the birth; else time_ns
    uint64_t first_realtime_ns;
    uint64_t seq;   // per CPU and ring, from 1
    uint32_t count; // ≥ 1
    uint32_t cpu;
    struct event_process process;

    enum sg_hook hook; // SG_HOOK_NONE: not of a hook
    enum sg_verdict verdict;
    enum event_mode mode;
    enum event_outcome outcome;
    enum sg_reason reason;
    uint16_t access;     // SG_OP_* bits
    uint16_t rule_index; // SG_RULE_NONE: no rule
    uint32_t error;      // positive errno that the hook returned; 0: passed
    uint32_t policy_id;
    const struct rule_ref *rule; // set by the agent; NULL: none or not known any more

    struct event_path path; // FILE: the object; EXEC: the program
    struct event_path
        path2; // the other name of rename and link, the target of symlink, the program
               // that a descriptor would have passed to
    struct bytes reached_by; // the further name that was used, when `path` is the one that the rule
                             // is about; set by the agent, empty: `path` was used
    uint64_t ino;            // of the object; 0 when it does not exist yet
    uint32_t dev, dev2;      // s_dev as the kernel has it; dev2 is that of path2
    uint32_t mode_bits;      // st_mode
    uint32_t nlink;
    struct bytes xattr; // name of the extended attribute
    struct bytes args;  // EXEC: arguments, each followed by NUL; the last may be cut

    uint64_t bytes_read, bytes_written; // FILE with SG_OP_IO
    struct process_ref child;           // FORK
    uint64_t exe_ino;                   // EXEC
    uint32_t exe_dev;
    uint32_t wait_status; // EXIT: as wait(2) has it

    struct launch launch;          // EXEC
    const struct file_facts *file; // EXEC: of the program; set by the agent, NULL: nobody asked
    struct control_access control; // CONTROL
    struct finding finding;        // FINDING
    const struct network_event *network; // FLOW, DNS

    const struct who *who;    // the actor; on EXEC the process as it was before
    const struct who *target; // FORK: the child; EXEC, EXIT: the process as it is now; or NULL

    struct arena arena;
};

enum event_ring {
    EVENT_RING_SECURITY = 0,
    EVENT_RING_AUDIT = 1,
    EVENT_RING_PROCESS = 2,
    EVENT_RING_NETWORK = 3, // of flows and names; numbered by the agent
};
#define EVENT_RING_COUNT 4

// An empty event with its arena. -ENOMEM.
int event_new(struct event **ret_event);
struct event *event_free(struct event *ev);
DEFINE_CLEANUP(struct event *, event_free)

// Empty again; keeps the arena's memory. Done by decode_record().
void event_reset(struct event *ev);

// `len` bytes of the arena, which the caller fills; NULL when it is full.
char *event_alloc(struct event *ev, uint32_t len);

static inline uint64_t process_ref_ticks(const struct process_ref *ref)
{
    return ref->start_ns / PROCESS_TICK_NS;
}

static inline bool process_ref_same(const struct process_ref *a, const struct process_ref *b)
{
    return a->tgid == b->tgid && process_ref_ticks(a) == process_ref_ticks(b);
}

// What follows the last '/', all of it when there is none.
struct bytes bytes_basename(struct bytes path);

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || __builtin_memcmp(a.s, b.s, a.len) == 0);
}
