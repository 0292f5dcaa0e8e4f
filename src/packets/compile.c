// SPDX-License-Identifier: Apache-2.0
#include "packets/compile.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/macro.h"
#include "base/sort.h"
#include "base/strutil.h"

#define INDEX_SIZE    (2 * SG_PACKET_ROWS_MAX) // a power of two, at most half full
#define BIT(n)        (UINT64_C(1) << (n) % 64)
#define ANY_PORT(end) (!(end) || ((end)->first == 0 && (end)->last == PACKET_PORT_MAX))

static void set(struct sg_packet_row *row, size_t line)
{
    row->words[line / 64] |= BIT(line);
}

// The number of a row, which is kept once.
static int row_of(struct compiled *c, const struct sg_packet_row *row, uint16_t *ret)
{
    struct sg_packet_tables *t = c->tables;
    size_t at = XXH3_64bits(row, sizeof(*row)) % INDEX_SIZE;

    while (c->index[at] != 0) {
        if (memcmp(&t->rows[c->index[at] - 1], row, sizeof(*row)) == 0) {
            *ret = (uint16_t)(c->index[at] - 1);
            return 0;
        }
        at = (at + 1) % INDEX_SIZE;
    }
    if (t->n_rows == SG_PACKET_ROWS_MAX)
        return -E2BIG;
    t->rows[t->n_rows] = *row;
    *ret = (uint16_t)t->n_rows;
    c->index[at] = ++t->n_rows;
    return 0;
}

static bool has_ports(const struct packet_end *end, const struct packet_end *of)
{
    return end->first == of->first && end->last == of->last;
}

// One line for each pair of ports among the ends of a rule.
static int add_lines(struct compiled *c, const struct packet_rule *rule, struct error *err)
{
    size_t n_from = rule->n_from ? rule->n_from : 1, n_to = rule->n_to ? rule->n_to : 1;

    for (size_t i = 0; i < n_from; i++) {
        const struct packet_end *from = rule->n_from ? &rule->from[i] : NULL;
        bool seen = false;

        for (size_t k = 0; k < i; k++)
            seen = seen || has_ports(&rule->from[k], from);
        for (size_t j = 0; !seen && j < n_to; j++) {
            const struct packet_end *to = rule->n_to ? &rule->to[j] : NULL;
            bool again = false;

            for (size_t k = 0; k < j; k++)
                again = again || has_ports(&rule->to[k], to);
            if (again)
                continue;
            if (c->n_lines == SG_PACKET_RULES_MAX) {
                (void)error_set(err, -E2BIG, "more than %u rules about packets",
                                SG_PACKET_RULES_MAX);
                error_cure(
                    err,
                    "put addresses with the same ports into one rule; each port or range that a list of ends has "
                    "counts as a rule");
                return -E2BIG;
            }
            c->lines[c->n_lines++] = (struct compiled_line){rule, from, to};
        }
    }
    return 0;
}

// What a rule does by content, so that what is remembered by it outlives a policy that says the same.
static uint32_t id_of(const struct packet_rule *r)
{
    struct sg_packet_rule what = {
        .actions = r->actions & ~(uint32_t)(SG_PACKET_DO_AUDIT | SG_PACKET_DO_MONITOR),
        .rate = r->rate,
        .burst_ns = r->burst,
        .from_first = r->source_first,
        .from_last = r->source_last,
        .to_port = r->target_port,
        .family = r->family,
    };
    uint64_t h;

    memcpy(what.from, r->source, sizeof(what.from));
    memcpy(what.to, r->target, sizeof(what.to));
    h = XXH3_64bits(&what, sizeof(what));
    // Two rules that limit the same way still count on their own.
    if (r->actions & SG_PACKET_DO_LIMIT)
        h ^= XXH3_64bits(&r->number, sizeof(r->number));
    return (uint32_t)(h ^ h >> 32) | 1;
}

static void put_rule(struct sg_packet_rule *to, const struct packet_rule *r)
{
    *to = (struct sg_packet_rule){
        .id = id_of(r),
        .actions = r->actions,
        .mark = r->mark,
        .mark_mask = r->mark_mask,
        .rate = r->rate,
        .from_first = r->source_first,
        .from_last = r->source_last,
        .to_port = r->target_port,
        .dscp = r->dscp,
        .family = r->family,
        .route_table = r->route_table,
        .via_family = r->via_family,
    };
    if (r->rate > 0)
        to->burst_ns = (uint64_t)((double)r->burst * 1e9 / (double)r->rate);
    memcpy(to->from, r->source, sizeof(to->from));
    memcpy(to->to, r->target, sizeof(to->to));
    memcpy(to->via, r->via, sizeof(to->via));
}

// Ports: between two numbers at which some line begins or has ended, all are in one row.
static int put_ports(struct compiled *c, bool target)
{
    uint16_t *table = target ? c->tables->dport : c->tables->sport, row;
    uint32_t cuts[2 * SG_PACKET_RULES_MAX + 2] = {0};
    struct sg_packet_row bits, none = {};
    size_t n = 1;
    int r;

    for (size_t i = 0; i < c->n_lines; i++) {
        const struct packet_end *end = target ? c->lines[i].to : c->lines[i].from;

        if (ANY_PORT(end)) {
            set(&none, i);
        } else {
            cuts[n++] = end->first;
            cuts[n++] = end->last + 1u;
        }
    }
    qsort(cuts, n, sizeof(*cuts), compare_u32);
    cuts[n] = PACKET_PORT_MAX + 1;
    for (size_t k = 0; k < n; k++) {
        if (cuts[k] == cuts[k + 1])
            continue;
        bits = none;
        for (size_t i = 0; i < c->n_lines; i++) {
            const struct packet_end *end = target ? c->lines[i].to : c->lines[i].from;

            if (!ANY_PORT(end) && end->first <= cuts[k] && cuts[k] <= end->last)
                set(&bits, i);
        }
        r = row_of(c, &bits, &row);
        if (r < 0)
            return r;
        for (uint32_t port = cuts[k]; port < cuts[k + 1]; port++)
            table[port] = row;
    }
    return row_of(c, &none, target ? &c->tables->no_dport : &c->tables->no_sport);
}

static int put_words(struct compiled *c)
{
    int r = 0;

    for (unsigned n = 0; r == 0 && n < 256; n++) {
        struct sg_packet_row bits = {};

        for (size_t i = 0; i < c->n_lines; i++) {
            const uint64_t *p = c->lines[i].rule->protocols;

            if (!(p[0] | p[1] | p[2] | p[3]) || p[n / 64] & BIT(n))
                set(&bits, i);
        }
        r = row_of(c, &bits, &c->tables->protocol[n]);
    }
    for (unsigned n = 0; r == 0 && n < 64; n++) {
        struct sg_packet_row bits = {};

        for (size_t i = 0; i < c->n_lines; i++) {
            uint64_t dscps = c->lines[i].rule->dscps;

            if (!dscps || dscps & BIT(n))
                set(&bits, i);
        }
        r = row_of(c, &bits, &c->tables->dscp[n]);
    }
    return r;
}

// An address of a line, while all of them are put in order.
struct entry {
    struct packet_prefix prefix;
    uint32_t line;
};

struct entries {
    struct entry *items;
    size_t n, cap;
};

static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
#define MAPPED_BITS 96

static int by_prefix(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int r = memcmp(x->prefix.addr, y->prefix.addr, sizeof(x->prefix.addr));

    return r ? r : (x->prefix.bits > y->prefix.bits) - (x->prefix.bits < y->prefix.bits);
}

static bool covers(const struct packet_prefix *p, const uint8_t addr[16])
{
    unsigned bytes = p->bits / 8, bits = p->bits % 8;

    return memcmp(p->addr, addr, bytes) == 0 &&
           (!bits || (p->addr[bytes] ^ addr[bytes]) >> (8 - bits) == 0);
}

static int add_entry(struct entries *e, const struct packet_prefix *p, uint32_t line)
{
    if (!GREEDY(e->items, e->cap, e->n + 1))
        return -ENOMEM;
    e->items[e->n] = (struct entry){*p, line};
    // What lies behind the bits that count would tell equal ones apart.
    for (unsigned bit = p->bits; bit < 128; bit++)
        e->items[e->n].prefix.addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    e->n++;
    return 0;
}

// A rule that rewrites addresses of one family is about that family, whatever else it says.
static bool is_of_family(const struct packet_rule *rule, const struct packet_prefix *p)
{
    bool four = p->bits >= MAPPED_BITS && memcmp(p->addr, mapped, MAPPED_BITS / 8) == 0;

    return !(rule->actions & SG_PACKET_DO_ADDRESS) || (rule->family == 4) == four;
}

// The addresses of one line. *ret_any: it is about all there are.
static int add_line(struct entries *e, const struct compiled_line *line, uint32_t i, bool target,
                    bool *ret_any)
{
    const struct packet_rule *rule = line->rule;
    const struct packet_end *ends = target ? rule->to : rule->from,
                            *own = target ? line->to : line->from;
    size_t n = target ? rule->n_to : rule->n_from;
    struct packet_prefix all = {.bits = rule->family == 4 ? MAPPED_BITS : 0};
    int r = 0;

    *ret_any = n == 0;
    for (size_t k = 0; r == 0 && k < n; k++) {
        if (!has_ports(&ends[k], own))
            continue;
        if (ends[k].n_prefixes == 0)
            *ret_any = true;
        for (size_t m = 0; r == 0 && m < ends[k].n_prefixes; m++)
            if (is_of_family(rule, &ends[k].prefixes[m]))
                r = add_entry(e, &ends[k].prefixes[m], i);
    }
    if (r == 0 && *ret_any && rule->actions & SG_PACKET_DO_ADDRESS) {
        *ret_any = false;
        if (rule->family == 4)
            memcpy(all.addr, mapped, sizeof(all.addr));
        r = add_entry(e, &all, i);
    }
    return r;
}

struct nested {
    struct packet_prefix prefix;
    struct sg_packet_row row;
};

// A prefix has its own lines and those of all that it lies in, which is what stands on the stack. What IPv6 says, IPv4 does not
// inherit: ::/0 is no address of IPv4.
static int put_prefixes(struct compiled *c, const struct entries *e,
                        const struct sg_packet_row *any, struct compiled_prefix *out, size_t *ret_n)
{
    _cleanup_free_ struct nested *stack = new0(struct nested, 130);
    size_t depth = 0, n = 0;
    uint16_t row;
    int r;

    if (!stack)
        return -ENOMEM;
    for (size_t i = 0; i < e->n;) {
        const struct packet_prefix *p = &e->items[i].prefix;
        struct nested *top;

        while (depth > 0 && !covers(&stack[depth - 1].prefix, p->addr))
            depth--;
        top = &stack[depth];
        top->prefix = *p;
        top->row = *any;
        if (depth > 0 && !(p->bits == MAPPED_BITS && memcmp(p->addr, mapped, 16) == 0))
            top->row = stack[depth - 1].row;
        for (; i < e->n && by_prefix(&e->items[i], &(struct entry){.prefix = top->prefix}) == 0;
             i++)
            if (e->items[i].line != SG_PACKET_NO_RULE)
                set(&top->row, e->items[i].line);
        depth++;
        r = row_of(c, &top->row, &row);
        if (r < 0)
            return r;
        out[n].key.bits = top->prefix.bits;
        memcpy(out[n].key.addr, top->prefix.addr, 16);
        out[n++].row = row;
    }
    *ret_n = n;
    return 0;
}

static int put_addresses(struct compiled *c, bool target, struct error *err)
{
    struct packet_prefix all = {}, four = {.bits = MAPPED_BITS};
    struct compiled_prefix *out;
    struct sg_packet_row any = {};
    struct entries e = {};
    size_t n = 0;
    int r;

    memcpy(four.addr, mapped, sizeof(four.addr));
    // Both are always there: whatever address comes has a row.
    r = add_entry(&e, &all, SG_PACKET_NO_RULE);
    r = r < 0 ? r : add_entry(&e, &four, SG_PACKET_NO_RULE);
    for (size_t i = 0; r == 0 && i < c->n_lines; i++) {
        bool is_any = false;

        r = add_line(&e, &c->lines[i], (uint32_t)i, target, &is_any);
        if (is_any)
            set(&any, i);
    }
    if (r == 0 && e.n > SG_PACKET_PREFIXES_MAX)
        r = error_set(err, -E2BIG, "more than %u addresses in rules about packets",
                      SG_PACKET_PREFIXES_MAX);
    out = r == 0 ? new0(struct compiled_prefix, e.n) : NULL;
    if (r == 0 && !out)
        r = -ENOMEM;
    if (r == 0) {
        qsort(e.items, e.n, sizeof(*e.items), by_prefix);
        r = put_prefixes(c, &e, &any, out, &n);
    }
    free(e.items);
    if (target)
        c->targets = out, c->n_targets = n;
    else
        c->sources = out, c->n_sources = n;
    return r;
}

int compiled_new(const struct packet_rules *rules, struct compiled **ret, struct error *err)
{
    _cleanup_(compiled_freep) struct compiled *c = new0(struct compiled, 1);
    struct sg_packet_row zero = {};
    uint16_t row;
    int r = 0;

    if (!c)
        return error_set(err, -ENOMEM, "out of memory");
    c->tables = new0(struct sg_packet_tables, 1);
    c->index = new0(uint32_t, INDEX_SIZE);
    if (!c->tables || !c->index)
        return error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; r == 0 && i < rules->n; i++) {
        r = add_lines(c, &rules->items[i], err);
        if (rules->items[i].actions & SG_PACKET_DO_REWRITE)
            c->tables->flags |= SG_PACKET_REWRITES;
    }
    if (r < 0)
        return r;
    c->tables->words = (uint32_t)((c->n_lines + 63) / 64);
    for (size_t i = 0; i < c->n_lines; i++)
        put_rule(&c->tables->rules[i], c->lines[i].rule);
    r = row_of(c, &zero, &row); // 0: what nobody speaks of
    r = r < 0 ? r : put_ports(c, false);
    r = r < 0 ? r : put_ports(c, true);
    r = r < 0 ? r : put_words(c);
    r = r < 0 ? r : put_addresses(c, false, err);
    r = r < 0 ? r : put_addresses(c, true, err);
    if (r == -E2BIG && !error_is_set(err))
        (void)error_set(err, r, "rules about packets need more than %u rows of bits",
                        SG_PACKET_ROWS_MAX);
    else if (r == -ENOMEM)
        (void)error_set(err, r, "out of memory");
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

struct compiled *compiled_free(struct compiled *c)
{
    if (!c)
        return NULL;
    free(c->tables);
    free(c->index);
    free(c->sources);
    free(c->targets);
    free(c);
    return NULL;
}

static bool names(const struct packet_rule *rule, const char *name, bool loopback)
{
    if (rule->n_interfaces == 0)
        return !loopback;
    for (size_t i = 0; i < rule->n_interfaces; i++)
        // Names have no slash; a pattern that is for all of them is not for what never leaves the host.
        if (fnmatch(rule->interfaces[i], name, FNM_NOESCAPE) == 0 &&
            (!loopback || streq(rule->interfaces[i], name)))
            return true;
    return false;
}

int compiled_interface(struct compiled *c, const char *name, bool loopback, bool out,
                       uint16_t *ret_row, bool *ret_early, bool *ret_drops)
{
    const uint32_t early = SG_PACKET_DO_EARLY;
    struct sg_packet_row bits = {};

    *ret_early = *ret_drops = false;
    for (size_t i = 0; i < c->n_lines; i++) {
        const struct packet_rule *rule = c->lines[i].rule;
        bool enforced = rule->actions & early && !(rule->actions & SG_PACKET_DO_MONITOR);

        if (!(out ? rule->out : rule->in) || !names(rule, name, loopback))
            continue;
        set(&bits, i);
        *ret_drops = *ret_drops || enforced;
        *ret_early = *ret_early || (enforced && !out && !(rule->actions & SG_PACKET_DO_MIRROR));
    }
    return row_of(c, &bits, ret_row);
}

uint32_t compiled_address(const struct compiled_prefix *prefixes, size_t n, const uint8_t addr[16])
{
    uint32_t row = 0, longest = 0;

    for (size_t i = 0; i < n; i++) {
        struct packet_prefix p = {.bits = (uint8_t)prefixes[i].key.bits};

        memcpy(p.addr, prefixes[i].key.addr, 16);
        if (p.bits >= longest && covers(&p, addr)) {
            longest = p.bits;
            row = prefixes[i].row;
        }
    }
    return row;
}
