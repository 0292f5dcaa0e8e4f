// SPDX-License-Identifier: Apache-2.0
//
// Who asks, for `policy explain`: put together from words, or read from a process. Owns its texts.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/strbuf.h"
#include "policy/explain.h"

#define CASE_GIDS_MAX 64
#define CASE_ENVS_MAX 1024

struct case_facts {
    char *exe, *cgroup;
    char *ancestors[POLICY_ANCESTORS_MAX];
    uint32_t ancestor_uids[POLICY_ANCESTORS_MAX]; // 0 where nothing else was said
    size_t n_ancestors;
    char **env; // "NAME=value"
    size_t n_env, cap_env;
    uint32_t uid, login_uid;
    uint32_t gids[CASE_GIDS_MAX];
    size_t n_gids;
    uint64_t caps;
    int session; // enum sg_session; -1: as the programs say
    bool container;
    bool has_when;
    time_t when;
};

void case_init(struct case_facts *c);
void case_done(struct case_facts *c);

// 0; -EINVAL: not of the form; -ESRCH: no such name; -E2BIG: too many; -ENOMEM.
int case_set_exe(struct case_facts *c, const char *path);
int case_set_cgroup(struct case_facts *c, const char *path);
int case_add_ancestor(struct case_facts *c, const char *path);
int case_add_env(struct case_facts *c, const char *variable); // "NAME=value"
int case_add_group(struct case_facts *c, const char *name);
int case_add_capability(struct case_facts *c, const char *name); // "CAP_SYS_ADMIN" or "sys_admin"
int case_group(const char *name, uint32_t *ret_gid);
int case_user(const char *name, uint32_t *ret_uid);
int case_login(const char *name, uint32_t *ret_uid); // also "none"

// All of it as a living process has it. -ESRCH: there is none.
int case_from_process(const char *proc, uint32_t pid, struct case_facts *c);

// Texts stay the case's.
struct policy_facts case_policy_facts(const struct case_facts *c);

// The arguments of the agent's "policy explain".
int case_json(const struct policy_query *query, struct strbuf *out);
