// SPDX-License-Identifier: Apache-2.0
#include "base/macro.h"
#include "model/names.h"
#include "policy/explain.h"

const char *policy_section_name(enum policy_section section)
{
    static const char *const names[] = {
        [POLICY_SECTION_FILES] = "files",
        [POLICY_SECTION_PROCESSES] = "processes",
        [POLICY_SECTION_CONTROL] = "control",
        [POLICY_SECTION_NETWORK] = "network",
    };

    STATIC_ASSERT(ARRAY_SIZE(names) == POLICY_SECTION_COUNT, "a word for every section");
    return (size_t)section < ARRAY_SIZE(names) ? names[section] : NULL;
}

bool policy_rule_about(const struct policy_rule *rule, uint32_t i, struct strbuf *sb)
{
    const struct policy_pattern *p;

    if (rule->syscalls.n > 0) {
        if (i >= rule->syscalls.n)
            return false;
        sb_printf(sb, "syscall:%s", rule->syscalls.items[i]);
        return true;
    }
    if (i >= rule->paths.n)
        return false;
    p = &rule->paths.items[i];
    if (p->unsaid)
        return true;
    if (p->control &&
        (rule->section == POLICY_SECTION_CONTROL || rule->section == POLICY_SECTION_NETWORK))
        sb_printf(sb, "%s:", policy_control_name(p->control->kind));
    sb_add(sb, p->text, p->len);
    return true;
}

const char *policy_op_name(uint32_t op_bit)
{
    if (op_bit == 0 || (op_bit & (op_bit - 1)) != 0)
        return NULL;
    return access_name((unsigned)__builtin_ctz(op_bit));
}

uint32_t policy_ops_from_word(const char *word)
{
    if (streq(word, "any"))
        return SG_OPS_ANY;
    if (streq(word, "write")) // everything that changes, not only writing
        return SG_OPS_WRITE;
    for (unsigned i = 0; i < SG_OP_COUNT; i++)
        if (streq(word, access_name(i)))
            return 1u << i;
    return 0;
}

void policy_ops_format(uint32_t ops, struct strbuf *sb)
{
    const char *comma = "";

    if (ops == SG_OPS_ANY || ops == SG_OPS_WRITE) {
        sb_puts(sb, ops == SG_OPS_ANY ? "any" : "write (everything that changes)");
        return;
    }
    // Which record there will be is no business of whoever reads a rule.
    if (ops & (SG_OP_EXEC | SG_OP_LOAD))
        ops &= ~(uint32_t)SG_OP_LAUNCH;
    for (unsigned i = 0; i < SG_OP_COUNT; i++)
        if (ops >> i & 1) {
            sb_printf(sb, "%s%s", comma, access_name(i));
            comma = ", ";
        }
}
