// SPDX-License-Identifier: Apache-2.0
//
// What the agent has to say about itself goes where records go, as a Base Event of OCSF (class 0), so that
// whoever reads the records sees losses and refusals too; and to the log.
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/log.h"

static const char *const severities[] = {
    "Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal",
};

static void put_metadata(struct jw *jw, const struct host *host, uint64_t sequence)
{
    _cleanup_(sb_done) struct strbuf uid = {};

    jw_kv_object(jw, "metadata");
    jw_kv_str(jw, "version", OCSF_VERSION);
    jw_kv_object(jw, "product");
    jw_kv_str(jw, "name", "safeguard");
    jw_kv_str(jw, "vendor_name", "safeguard");
    jw_kv_str(jw, "version", SAFEGUARD_VERSION);
    jw_end_object(jw);
    sb_printf(&uid, "%s:agent:%llu", host->boot_id, (unsigned long long)sequence);
    jw_kv_str(jw, "uid", sb_str(&uid));
    jw_kv_str(jw, "log_name", "agent");
    jw_end_object(jw);
}

// All that there is to say of the host; the records of accesses have what tells it from others. A policy that
// comes into force is such a record, so that each run of the agent begins with one.
static void put_device(struct jw *jw, const struct host *host)
{
    _cleanup_(sb_done) struct strbuf device = {};

    if (ocsf_host(host, &device) < 0)
        return; // a record without it is better than none
    jw_key(jw, "device");
    jw_raw(jw, sb_str(&device), device.len);
}

int notice_format(const struct host *host, uint64_t time_ns, uint64_t sequence,
                  const struct notice *n, struct strbuf *out)
{
    struct jw jw;

    jw_init(&jw, out);
    jw_begin_object(&jw);
    jw_kv_u64(&jw, "activity_id", 99);
    jw_kv_str(&jw, "activity_name", n->kind);
    jw_kv_u64(&jw, "category_uid", 0);
    jw_kv_str(&jw, "category_name", "Uncategorized");
    jw_kv_u64(&jw, "class_uid", 0);
    jw_kv_str(&jw, "class_name", "Base Event");
    jw_kv_u64(&jw, "type_uid", 99);
    jw_kv_str(&jw, "type_name", "Base Event: Other");
    jw_kv_u64(&jw, "severity_id", (uint64_t)n->severity);
    jw_kv_str(&jw, "severity", severities[n->severity]);
    jw_kv_u64(&jw, "status_id", 0);
    jw_kv_str(&jw, "status", "Unknown");
    jw_kv_u64(&jw, "time", time_ns / NS_PER_MS);
    jw_kv_str(&jw, "message", n->message);
    put_metadata(&jw, host, sequence);
    put_device(&jw, host);
    jw_kv_object(&jw, "unmapped");
    jw_kv_str(&jw, "notice", n->kind);
    if (n->cure)
        jw_kv_str(&jw, "cure", n->cure);
    for (size_t i = 0; i < n->n_numbers; i++)
        jw_kv_u64(&jw, n->numbers[i].key, n->numbers[i].value);
    jw_end_object(&jw);
    jw_end_object(&jw);
    return jw_finish(&jw);
}

void notice(struct agent *a, const struct notice *n)
{
    enum log_level level = n->severity >= NOTICE_HIGH     ? LOG_LEVEL_ERROR
                           : n->severity >= NOTICE_MEDIUM ? LOG_LEVEL_WARNING
                                                          : LOG_LEVEL_INFO;
    uint64_t now = now_ns(CLOCK_REALTIME);
    _cleanup_(sb_done) struct strbuf line = {};

    (void)log_at(level, 0, "%s%s%s", n->message, n->cure ? "; to do: " : "",
                 n->cure ? n->cure : "");
    a->notices++;
    // The number has to be another one in the next run of the agent, too.
    if (notice_format(&a->host, now, a->started_ns / NS_PER_US + a->notices, n, &line) < 0)
        return;
    if (a->output)
        (void)output_add(a->output, line.s, line.len, n->severity >= NOTICE_MEDIUM);
    uplink_record(a, STREAM_SECURITY, n->severity >= NOTICE_MEDIUM, line.s, line.len);
    if (a->control && control_server_has_subscribers(a->control))
        control_server_publish(a->control, line.s, line.len);
}
