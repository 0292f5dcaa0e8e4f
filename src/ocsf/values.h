// SPDX-License-Identifier: Apache-2.0
//
// How values of each kind of objects.def are written, and what rows ask to get one. For objects.c alone, into which all
// of it is compiled: a function call a value would cost as much as the value.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macro.h"
#include "model/file.h"
#include "model/names.h"
#include "ocsf/objects.h"

// Values.

static inline struct bytes text(const char *s)
{
    return (struct bytes){s, (uint32_t)strlen(s)};
}

static inline struct bytes comm_of(const struct event *ev)
{
    return (struct bytes){ev->process.comm, ev->process.comm_len};
}

// When a process was started, nanoseconds since 1970; by the tick, as its uid has it.
static inline uint64_t start_of(const struct ocsf_context *o, const struct process_ref *ref)
{
    return o->host.boot_ns + process_ref_ticks(ref) * PROCESS_TICK_NS;
}

// Kinds of values. Each writes the value and the comma behind it.

static inline void put_STR(struct out *out, struct bytes value)
{
    out_char(out, '"');
    out_text(out, value);
    out_lit(out, "\",");
}

// A path; its escaped form stays at hand for the sentence and the name.
static inline void put_PATH(struct out *out, struct file_view *f)
{
    char *start;

    out_char(out, '"');
    start = out->p;
    out_text(out, f->path);
    out_gap(out, GAP_PATH, start);
    f->escaped = (struct bytes){start, (uint32_t)(out->p - start)};
    out_lit(out, "\",");
}

// The last component of the path that was just written. Without escapes in the path there are none.
static inline void put_NAME(struct out *out, const struct file_view *f)
{
    char *start;

    out_char(out, '"');
    start = out->p;
    if (f->escaped.len == f->path.len)
        out_bytes(out, f->name);
    else
        out_text(out, f->name);
    out_gap(out, GAP_NAME, start);
    out_lit(out, "\",");
}

static inline void put_WORD(struct out *out, struct bytes value)
{
    out_char(out, '"');
    out_bytes(out, value);
    out_lit(out, "\",");
}

static inline void put_WORDS(struct out *out, struct bytes value)
{
    out_lit(out, "[\"");
    out_bytes(out, value);
    out_lit(out, "\"],");
}

static inline void put_CAPS(struct out *out, uint64_t caps)
{
    out_char(out, '"');
    out_caps(out, caps);
    out_lit(out, "\",");
}

static inline void put_ERRNO(struct out *out, uint32_t error)
{
    const char *name;

    if (error == EPERM) { // what a denial gives
        out_lit(out, "\"EPERM\",");
        return;
    }
    name = strerrorname_np((int)error);
    put_WORD(out, text(name ? name : "unknown"));
}

static inline void put_UINT(struct out *out, uint64_t value)
{
    out_u64(out, value);
    out_char(out, ',');
}

static inline void put_DEC(struct out *out, uint64_t value)
{
    out_char(out, '"');
    out_u64(out, value);
    out_lit(out, "\",");
}

static inline void put_INO(struct out *out, uint64_t ino)
{
    char *start;

    out_char(out, '"');
    start = out->p;
    out_u64(out, ino);
    out_gap(out, GAP_INO, start);
    out_lit(out, "\",");
}

static inline void put_SEQ(struct out *out, uint64_t seq)
{
    char *start = out->p;

    out_u64(out, seq);
    out_gap(out, GAP_SEQ, start);
    out_char(out, ',');
}

static inline void put_TIME(struct out *out, uint64_t ns)
{
    char *start = out->p;

    out_u64(out, ns / NS_PER_MS);
    out_gap(out, GAP_TIME, start);
    out_char(out, ',');
}

static inline void put_MS(struct out *out, uint64_t ns)
{
    put_UINT(out, ns / NS_PER_MS);
}

static inline void put_BOOL(struct out *out, bool value)
{
    if (value)
        out_lit(out, "true,");
    else
        out_lit(out, "false,");
}

static inline void put_HEX(struct out *out, struct bytes value)
{
    out_char(out, '"');
    out_hex(out, value);
    out_lit(out, "\",");
}

// s_dev of the kernel: MINORBITS is 20.
static inline void put_DEV(struct out *out, uint32_t dev)
{
    out_char(out, '"');
    out_u64(out, dev >> 20);
    out_char(out, ':');
    out_u64(out, dev & 0xfffff);
    out_lit(out, "\",");
}

// The name below /dev, of the terminals that have one (Documentation/admin-guide/devices.txt).
static inline void put_TTY(struct out *out, uint32_t dev)
{
    uint32_t major = dev >> 20, minor = dev & 0xfffff;

    out_char(out, '"');
    if (major >= 136 && major <= 143) { // UNIX98_PTY_SLAVE_MAJOR
        out_lit(out, "pts/");
        out_u64(out, (major - 136) * 256 + minor);
    } else if (major == 4 && minor < 64) {
        out_lit(out, "tty");
        out_u64(out, minor);
    } else if (major == 4) {
        out_lit(out, "ttyS");
        out_u64(out, minor - 64);
    } else if (major == 5 && minor == 1) {
        out_lit(out, "console");
    } else {
        out_u64(out, major);
        out_char(out, ':');
        out_u64(out, minor);
    }
    out_lit(out, "\",");
}

static inline void put_IP(struct out *out, const struct endpoint_view *e)
{
    char buf[INET6_ADDRSTRLEN];

    put_WORD(out, text(inet_ntop(e->family, e->address, buf, sizeof(buf)) ? buf : ""));
}

static inline void put_word_or_number(struct out *out, const char *word, const char *prefix,
                                      uint16_t number)
{
    out_char(out, '"');
    out_bytes(out, text(word ? word : prefix));
    if (!word)
        out_u64(out, number);
    out_lit(out, "\",");
}

static inline void put_DNS_TYPE(struct out *out, uint16_t type)
{
    put_word_or_number(out, dns_type_name(type), "TYPE", type);
}

static inline void put_DNS_CLASS(struct out *out, uint16_t class)
{
    put_word_or_number(out, class == SG_DNS_CLASS_IN ? "IN" : NULL, "CLASS", class);
}

// The root has a name, too.
static inline struct bytes dns_hostname(const struct dns_record *d)
{
    return d->name_len ? (struct bytes){d->name, d->name_len} : BYTES(".");
}

// Numbers that nobody has given a meaning are one.
static inline uint32_t rcode_of(const struct dns_record *d)
{
    uint16_t rcode = SG_DNS_RCODE(d->header);

    return dns_rcode_name(rcode) ? rcode : 25;
}

static inline struct bytes sha256_of(const struct file_facts *facts)
{
    return (struct bytes){(const char *)facts->sha256, FILE_SHA256_BYTES};
}

static inline const char *family_name(uint16_t family)
{
    switch (family) {
    case AF_INET: return "inet";
    case AF_INET6: return "inet6";
    case AF_UNIX: return "unix";
    case AF_NETLINK: return "netlink";
    case AF_PACKET: return "packet";
    case AF_VSOCK: return "vsock";
    default: return "other";
    }
}

// Joined by blanks; a list of arguments has NULs in their place.
static inline void put_CMD_LINE(struct out *out, struct bytes args)
{
    while (args.len > 0 && args.s[args.len - 1] == '\0')
        args.len--;
    out_char(out, '"');
    for (;;) {
        const char *nul = args.len ? memchr(args.s, '\0', args.len) : NULL;
        uint32_t len = nul ? (uint32_t)(nul - args.s) : args.len;

        out_text(out, (struct bytes){args.s, len});
        if (!nul)
            break;
        out_char(out, ' ');
        args = (struct bytes){nul + 1, args.len - len - 1};
    }
    out_lit(out, "\",");
}

static inline void put_ARGS(struct out *out, struct bytes args)
{
    out_char(out, '[');
    while (args.len > 0) {
        uint32_t len = (uint32_t)strnlen(args.s, args.len);

        put_STR(out, (struct bytes){args.s, len});
        len += len < args.len;
        args = (struct bytes){args.s + len, args.len - len};
    }
    out_end(out, ']');
    out_char(out, ',');
}

static inline void put_CAPABILITIES(struct out *out, uint64_t caps)
{
    if ((caps & CAPABILITIES_ALL) == CAPABILITIES_ALL) {
        out_lit(out, "[\"all\"],");
        return;
    }
    out_char(out, '[');
    for (caps &= CAPABILITIES_ALL; caps; caps &= caps - 1)
        put_WORD(out, text(capability_name((unsigned)__builtin_ctzll(caps))));
    out_end(out, ']');
    out_char(out, ',');
}

static inline void put_MESSAGE(struct out *out, const struct record_view *v)
{
    out_char(out, '"');
    ocsf_put_sentence(out, v);
    out_lit(out, "\",");
}

static inline void put_bits(struct out *out, uint32_t bits, const char *(*name)(unsigned))
{
    out_char(out, '[');
    for (; bits; bits &= bits - 1) {
        const char *word = name((unsigned)__builtin_ctz(bits));

        if (word)
            put_WORD(out, text(word));
    }
    out_end(out, ']');
    out_char(out, ',');
}

static inline void put_BITS_ACCESS(struct out *out, uint32_t bits)
{
    put_bits(out, bits, access_name);
}

static inline void put_BITS_FLAGS(struct out *out, uint32_t bits)
{
    put_bits(out, bits, event_flag_name);
}

static inline void put_BITS_LAUNCH(struct out *out, uint32_t bits)
{
    put_bits(out, bits, launch_flag_name);
}

static inline void put_PROFILES(struct out *out, const void *unused)
{
    (void)unused;
    out_lit(out, "[\"host\",\"security_control\",\"container\",\"linux/linux_users\"],");
}

static inline void put_uid_process(struct out *out, const struct ocsf_context *o,
                                   const struct process_ref *ref)
{
    out_char(out, '"');
    out_bytes(out, o->boot_id);
    out_char(out, ':');
    out_u64(out, ref->tgid);
    out_char(out, ':');
    out_u64(out, process_ref_ticks(ref));
    out_lit(out, "\",");
}

// A record's own name: boot, run, ring, CPU and number, or the time of what has none.
static inline void put_uid_event(struct out *out, const struct ocsf_context *o,
                                 const struct record_view *v)
{
    struct bytes ring = o->uid_starts[v->ev->ring];
    char *start;

    out_char(out, '"');
    out_bytes(out, ring);
    start = out->p;
    out_u64(out, v->ev->cpu);
    out_gap(out, GAP_CPU, start);
    out_char(out, ':');
    start = out->p;
    out_u64(out, v->ev->seq ? v->ev->seq : v->ev->time_ns);
    out_gap(out, GAP_SEQ, start);
    out_lit(out, "\",");
}
