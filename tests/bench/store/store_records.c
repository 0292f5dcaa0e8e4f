// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/store/store_records.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

uint64_t made_random(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

// The k-th is about 1/k as frequent as the first.
unsigned made_zipf(uint64_t *seed, unsigned n)
{
    double u = (double)(made_random(seed) >> 11) / 9007199254740992.0;
    unsigned k = (unsigned)pow((double)n + 1, u) - 1;

    return k < n ? k : n - 1;
}

void made_host(unsigned i, char ret[40])
{
    (void)snprintf(ret, 40, "%08x-1111-4222-8333-%012x", 0xa0000000u + i, i * 7919u);
}

const char *made_program(unsigned i, char buf[64])
{
    static const char *const names[] = {"nginx", "bash",    "sshd",     "cron",  "python3",
                                        "cat",   "php-fpm", "postgres", "rsync", "curl"};

    (void)snprintf(buf, 64, "/usr/%sbin/%s%.0u", i % 3 ? "" : "s", names[i % 10], i / 10);
    return buf;
}

const char *made_user(unsigned i, char buf[64])
{
    static const char *const names[] = {"root", "www-data", "ann", "bob", "postgres"};

    (void)snprintf(buf, 64, "%s%.0u", names[i % 5], i / 5);
    return buf;
}

const char *made_rule(unsigned i, char buf[64])
{
    static const char *const names[] = {"shadow", "ssh-keys", "web-root", "cron-persistence",
                                        "system-binaries"};

    (void)snprintf(buf, 64, "%s-%u", names[i % 5], i / 5);
    return buf;
}

const char *made_path(unsigned i, char buf[128])
{
    static const char *const dirs[] = {
        "/etc",           "/etc/ssh",      "/var/www/html/assets", "/home/ann/.ssh",
        "/var/log/nginx", "/usr/lib/cron", "/srv/data/projects",   "/root",
        "/opt/app/conf",  "/tmp"};
    static const char *const words[] = {"shadow", "config", "index",  "session", "key",
                                        "report", "cache",  "backup", "invoice", "token"};

    (void)snprintf(buf, 128, "%s/%s-%u.%s", dirs[i % 10], words[i / 10 % 10], i / 100,
                   i % 7 ? "conf" : "txt");
    return buf;
}

void maker_init(struct maker *m, uint64_t seed, uint64_t start_ms, uint64_t step_us)
{
    *m = (struct maker){.seed = seed, .time_ms = start_ms, .step_us = step_us};
    for (unsigned i = 0; i < MADE_HOSTS; i++)
        m->next[i] = 1;
}

static void process(struct strbuf *sb, const char *boot, unsigned pid, const char *program,
                    const char *user, unsigned arg)
{
    const char *name = strrchr(program, '/') + 1;

    sb_printf(
        sb,
        "{\"pid\":%u,\"uid\":\"%s:%u:%u\",\"name\":\"%s\",\"cmd_line\":\"%s --job %u\",\"created_time\":%llu,"
        "\"file\":{\"path\":\"%s\",\"name\":\"%s\",\"type_id\":8},\"user\":{\"uid\":\"0\",\"name\":\"%s\"},\"auid\":1000,"
        "\"group\":{\"uid\":\"0\",\"name\":\"root\"},\"parent_process\":{\"pid\":%u,\"uid\":\"%s:%u:10000\",\"name\":\"bash\","
        "\"path\":\"/usr/bin/bash\",\"created_time\":1700000100000},\"ancestry\":[{\"pid\":%u,\"uid\":\"%s:%u:10000\","
        "\"path\":\"/usr/bin/bash\"},{\"pid\":900,\"uid\":\"%s:900:5000\",\"path\":\"/usr/sbin/sshd\"},"
        "{\"pid\":1,\"uid\":\"%s:1:1\",\"path\":\"/usr/lib/systemd/systemd\"}]}",
        pid, boot, pid, pid * 3, name, name, arg, 1700000000000ull + pid * 10, program, name, user,
        pid - 100, boot, pid - 100, pid - 100, boot, pid - 100, boot, boot);
}

struct choice {
    const char *head, *verdict, *mode, *said;
    unsigned activity, severity;
    bool security;
};

// Denied, would be denied, audited: as classes.def of src/ocsf has them.
static const struct choice choices[] = {
    {"\"status_id\":2,\"action_id\":2,\"action\":\"Denied\",\"disposition_id\":2,\"disposition\":\"Blocked\",\"is_alert\":true",
     "deny", "enforce", "was not allowed to open", 14, 3, true},
    {"\"status_id\":1,\"action_id\":3,\"action\":\"Observed\",\"disposition_id\":15,\"disposition\":\"Detected\",\"is_alert\":true",
     "deny", "monitor", "would not have been allowed to rename", 5, 2, true},
    {"\"status_id\":1,\"action_id\":3,\"action\":\"Observed\",\"disposition_id\":17,\"disposition\":\"Logged\",\"is_alert\":false",
     "audit", "enforce", "opened", 14, 1, false},
};

static void record(struct maker *m, const struct record_batch *b, unsigned host, uint64_t number,
                   struct strbuf *sb)
{
    char program[64], user[64], rule[64], path[128];
    const struct choice *c =
        &choices[b->class == STREAM_SECURITY ? made_random(&m->seed) % 4 == 0 : 2];
    unsigned pid = 1000 + (unsigned)(made_random(&m->seed) % 30000),
             arg = (unsigned)(made_random(&m->seed) % 500);
    static const char boot[] = "11111111-2222-3333-4444-555555555555";
    uint64_t time_ms = m->time_ms + m->in_batch++ % 1000;
    bool exec = b->class == STREAM_AUDIT && made_random(&m->seed) % 5 == 0;

    (void)made_program(made_zipf(&m->seed, MADE_PROGRAMS), program);
    (void)made_user(made_zipf(&m->seed, MADE_USERS), user);
    (void)made_rule(made_zipf(&m->seed, MADE_RULES), rule);
    (void)made_path(made_zipf(&m->seed, MADE_PATHS), path);
    sb_printf(
        sb,
        "{\"activity_id\":%u,\"activity_name\":\"%s\",\"category_uid\":1,\"class_uid\":%u,\"type_uid\":%u,\"severity_id\":%u,%s,"
        "\"device\":{\"hostname\":\"web%u\",\"type_id\":0,\"uid\":\"0123456789abcdef0123456789ab%04x\",\"os\":{\"name\":"
        "\"Debian GNU/Linux 12 (bookworm)\",\"type_id\":200}},\"metadata\":{\"version\":\"1.8.0\",\"profiles\":[\"host\","
        "\"security_control\",\"container\",\"linux/linux_users\"],\"product\":{\"name\":\"safeguard\",\"vendor_name\":"
        "\"safeguard\",\"version\":\"0.1.0\"},\"uid\":\"%s:7:%s:0:%llu\",\"sequence\":%llu},\"policy\":{\"name\":\"web-host\","
        "\"uid\":\"5\"},\"actor\":{\"user\":{\"uid\":\"1000\",\"name\":\"%s\"},\"session\":{\"uid\":\"3\",\"issuer\":\"ssh\","
        "\"is_remote\":true},\"process\":",
        exec ? 1 : c->activity, exec ? "Launch" : "Open", exec ? 1007 : 1001,
        exec ? 100701 : 100100 + c->activity, c->severity, exec ? "\"status_id\":1" : c->head, host,
        host, boot, c->security ? "security" : "audit", (unsigned long long)number,
        (unsigned long long)number, user);
    process(sb, boot, pid, program, user, arg);
    sb_puts(sb, "}");
    if (!exec)
        sb_printf(
            sb,
            ",\"file\":{\"path\":\"%s\",\"name\":\"%s\",\"type_id\":1,\"uid\":\"%u\",\"volume\":\"8:1\",\"attributes\":33184}",
            path, strrchr(path, '/') + 1, arg * 77);
    sb_printf(sb, ",\"time\":%llu,", (unsigned long long)time_ms);
    if (c->security && made_random(&m->seed) % 50 == 0)
        sb_printf(sb, "\"count\":%u,", 2 + arg);
    if (exec)
        sb_printf(
            sb,
            "\"launch_type_id\":3,\"message\":\"%s (pid %u, user %s) executed %s\",\"unmapped\":{\"cgroup\":\"/system.slice/job%u.service\"},\"process\":",
            strrchr(program, '/') + 1, pid, user, program, arg);
    else
        sb_printf(
            sb,
            "\"status_code\":\"EPERM\",\"message\":\"%s (pid %u, user %s) %s %s (rule %s)\",\"unmapped\":{\"cgroup\":"
            "\"/user.slice/user-1000.slice/session-%u.scope\",\"rule\":\"%s\",\"rule_file\":"
            "\"/etc/safeguard/policies/50-web.yaml\",\"rule_line\":%u,\"hook\":\"file_open\",\"access\":[\"read\"],"
            "\"verdict\":\"%s\",\"mode\":\"%s\"}",
            strrchr(program, '/') + 1, pid, user, c->said, path, rule, arg, rule, arg % 90,
            c->verdict, c->mode);
    if (exec)
        process(sb, boot, pid + 1, program, user, arg + 1);
    sb_puts(sb, "}\n");
}

static void pack(struct made *b, unsigned i)
{
    struct strbuf *raw = &b->raw[i], *packed = &b->packed[i];
    size_t bound = ZSTD_compressBound(raw->len);

    sb_reset(packed);
    sb_written(packed, ZSTD_compress(sb_reserve(packed, bound), bound, raw->s, raw->len, 1));
    b->blocks[i].raw = raw->s;
    b->blocks[i].raw_len = (uint32_t)raw->len;
    b->blocks[i].packed = packed->s;
    b->blocks[i].packed_len = (uint32_t)packed->len;
}

void maker_batch(struct maker *m, unsigned n, struct made *b)
{
    unsigned host = made_zipf(&m->seed, MADE_HOSTS), at = 0;
    bool security = made_random(&m->seed) % 10 == 0;

    made_host(host, b->host);
    b->batch = (struct record_batch){.host = b->host,
                                     .class = security ? STREAM_SECURITY : STREAM_AUDIT,
                                     .first_seq = m->next[host],
                                     .n_records = n,
                                     .blocks = b->blocks};
    b->batch.stream.b[0] = (uint8_t)(host + 1);
    // One stream a host: what is of interest here does not depend on how many there are.
    m->next[host] += n;
    sb_reset(&b->raw[0]);
    b->blocks[0] = (struct record_block){};
    for (unsigned i = 0; i < n; i++) {
        if (b->raw[at].len > MADE_BLOCK - 4096 && at < 63) {
            pack(b, at++);
            sb_reset(&b->raw[at]);
            b->blocks[at] = (struct record_block){};
        }
        record(m, &b->batch, host, b->batch.first_seq + i, &b->raw[at]);
        b->blocks[at].n_records++;
    }
    pack(b, at);
    b->batch.n_blocks = at + 1;
    m->in_batch = 0;
    m->step_left += n * m->step_us;
    m->time_ms += m->step_left / 1000;
    m->step_left %= 1000;
    b->batch.received_ms = m->time_ms + 1500;
}

void made_done(struct made *b)
{
    for (unsigned i = 0; i < 64; i++) {
        sb_done(&b->raw[i]);
        sb_done(&b->packed[i]);
    }
}
