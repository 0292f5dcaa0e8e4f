// SPDX-License-Identifier: Apache-2.0
//
// Events as JSON of the Open Cybersecurity Schema Framework: the only form in which they leave the
// host. Called by src/agent and src/cli for every event. Owns prepared parts of records: what is
// the same for all, and for each of the processes that were seen last. Looks nothing up, opens
// nothing, never logs: what the event does not say is left out.
//
// Records always are valid JSON. Names that are not UTF-8 show U+FFFD, and for paths the exact
// bytes stand next to them in hexadecimal digits (unmapped.path_bytes).
//
// metadata.uid is "<boot id>:<run>:<ring>:<CPU>:<number>", no two records have the same: the kernel numbers what it sends, `run`
// tells one run of the agent from another in the same boot. A record that the kernel did not number (it says how many others
// there were) has its time there, in nanoseconds since boot.
//
// process.uid is "<boot id>:<pid>:<start>", the start in ticks of 1/100 s since boot: procfs knows
// no finer one, and the number has to stay the same when another run of the agent learns of the
// process.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "model/event.h"
#include "model/file.h"
#include "model/host.h"
#include "model/packet.h"

#define OCSF_VERSION "1.8.0"

struct ocsf;

struct ocsf_counters {
    uint64_t records;
    uint64_t copied; // of these, lines that were one already but for a few places
    uint64_t reused; // processes whose part was at hand
    uint64_t built;
    size_t cached_bytes;
};

// `host` is copied. `run`: see above, any number that differs. max_cached_bytes bounds the prepared parts of processes; 0: 2 MiB. -ENOMEM.
int ocsf_new(const struct host *host, uint64_t run, size_t max_cached_bytes,
             struct ocsf **ret_ocsf);
struct ocsf *ocsf_free(struct ocsf *o);
DEFINE_CLEANUP(struct ocsf *, ocsf_free)

// Appends one record to `out`: one line, without a newline.
//   -EOPNOTSUPP  no class for this kind of event (a mount table that changed, a self-test)
//   -ENOMEM      `out` is as it was before
int ocsf_write(struct ocsf *o, const struct event *ev, struct strbuf *out);

// Where that belongs which is not known yet of the program that the record just written is about (event.file says that it
// waits): offsets in the line, 0: nowhere. False: nothing is missing.
struct ocsf_later {
    uint32_t file, unmapped;
};
bool ocsf_later(const struct ocsf *o, struct ocsf_later *ret);

// Appends that line with what is known by now. -ENOMEM: `out` is as it was before.
int ocsf_complete(const char *line, size_t len, const struct ocsf_later *later,
                  const struct file_facts *facts, struct strbuf *out);

// Appends a record of packets (class 4001), a line without a newline, about a rule of the section `packets`. Nobody sends packets to the
// kernel side's knowledge: their actor is the kernel. `policy_id` and the times as in struct event; `number` differs from record to
// record of one `run`. -ENOMEM: `out` is as it was before.
struct ocsf_packet {
    const struct packet_event *event;
    uint64_t realtime_ns, first_realtime_ns;
    uint64_t run, number;
    uint32_t policy_id;
};
int ocsf_packet(const struct host *host, const struct ocsf_packet *p, struct strbuf *out);

// Appends all that there is to say of a host as the object `device`. -ENOMEM.
int ocsf_host(const struct host *host, struct strbuf *out);

void ocsf_counters(const struct ocsf *o, struct ocsf_counters *ret);

// Appends the closed JSON schema (2020-12) of what ocsf_write() makes. -ENOMEM.
int ocsf_schema(struct strbuf *out);
