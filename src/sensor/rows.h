// SPDX-License-Identifier: Apache-2.0
//
// The tables of the sensor: one row a hook (made of abi/hooks.def), one row a program that serves all of
// them. Read by every other file of the room, owned by nobody, never changed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/policy.h"
#include "abi/shared.h"

#define HOOKS        ((size_t)SG_HOOK_COUNT - 1) // rows; row i is hook i + 1 in records
#define PROGRAM_NAME 64                          // bytes of a program's name with its NUL

// In the order of the tests. The defence's come first: what others let through may confine the process.
enum canary_kind {
    CANARY_none = 0,
#define CANARY_GUARD(program, id, act, help) CANARY_##program,
#include "sensor/canary_guard.def"
#define CANARY(kind, act, help) CANARY_##kind,
#include "sensor/canary.def"
    CANARY_COUNT,
};

// The programs of the defence that the self-test asks.
enum guard {
#define CANARY_GUARD(program, id, act, help) GUARD_##program,
#include "sensor/canary_guard.def"
    GUARD_COUNT,
};

#define GUARDS ((size_t)GUARD_COUNT)
#define PROVED (HOOKS + GUARDS) // what proves itself: rows of hooks, then those of the defence

struct hook_row {
    const char *id, *help;
    uint32_t ops;
    enum canary_kind canary;
    bool control; // its canary asks for what rules of the section control speak of
};

struct guard_row {
    const char *program, *help;
    enum canary_kind canary;
    uint32_t act; // enum sg_guard_act
};

// Row i < GUARDS.
const struct guard_row *guard_row(size_t i);

// Where its program is among the further ones.
size_t guard_extra(size_t i);

// Row i < HOOKS.
const struct hook_row *hook_row(size_t i);

// The row of this name, or HOOKS.
size_t hook_index(const char *id);

// The older hook that sees the same on kernels without this one; NULL: none.
const char *hook_sibling(const char *id);

// The newer hook that sees the same on kernels that have it, instead of this one; NULL: none.
const char *hook_successor(const char *id);

// The first kernel (KERNEL()) on which another hook, *ret_by, sees all that this one is there for; 0: there is none.
uint32_t hook_until(const char *id, const char **ret_by);

// What this hook is there for passes it only on kernels that have this one, too; NULL: wherever the hook is.
const char *hook_companion(const char *id);

// Bits of enum sg_control that hook i asks about.
uint64_t hook_controls(size_t i);

// What the subjects of a policy must use (SG_NEED_*, one of them) for the hook to have anything to do; 0: it
// always has.
uint32_t hook_needs(const char *id);
// SG_NEED_* of a policy for any of which the hook is attached, too, whatever operations its rules are about.
uint32_t hook_besides(const char *id);

// Programs that are no hooks: lineage, and the moves of directories.
struct extra_row {
    const char *program;
    const char *without; // what is lost without it
    uint32_t ops;        // only while a rule has one of these (SG_OP_*); 0: always
    // Only while a rule is about one of these kinds (bits of enum sg_control); 0: always.
    uint64_t controls;
    uint32_t since;     // only from this kernel on (KERNEL()); 0: on any
    bool lsm_only;      // only where hooks are of type LSM
    uint32_t feature;   // SENSOR_FEATURE_*: only while that is on; 0: of no feature
    const char *within; // the hook whose own program does the same where it is attached; NULL: none
    bool on_hook;       // its names are lsm_<program> and fmod_<program>, as those of hooks are
    bool with_rename;   // only while a program on inode_rename is attached; else always
    size_t guard;       // 1 + its row of canary_guard.def; 0: the self-test does not ask it
    bool required;      // without it the sensor does not attach anything
};

#define EXTRAS_MAX 96
const struct extra_row *extra_row(size_t i); // NULL after the last one
