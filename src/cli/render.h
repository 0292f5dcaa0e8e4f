// SPDX-License-Identifier: Apache-2.0
//
// How answers and records look on a terminal. Pure functions from JSON to text: what they print depends on
// nothing but their arguments and $TZ. Everything that comes from outside is escaped.
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/strbuf.h"
#include "sensor/sensor.h"

// `all`: also hooks that no rule needs. Returns true when nothing needs attention.
bool render_status(struct json_object *status, bool color, bool all, struct strbuf *sb);

void render_probe(const struct sensor_probe *p, bool color, struct strbuf *sb);
void render_probe_json(const struct sensor_probe *p, struct strbuf *sb);
// 0: LSM hooks deny here; 1: only in part; 2: this kernel cannot protect.
int probe_verdict(const struct sensor_probe *p);

// One record as one line with its newline. `day` is the day of the line before ("" at first) and is
// updated: a new one gets a line of its own.
void render_event(struct json_object *record, bool color, char day[16], struct strbuf *sb);

void render_rules(struct json_object *show, bool color, struct strbuf *sb);

// What a record has to be to be shown. Zero means: everything.
struct event_filter {
    bool denied;
    const char *rule;    // "10-base.yaml:7", "/etc/.../10-base.yaml:7", or the name of a policy
    const char *path;    // glob in which '*' also matches '/'
    const char *process; // name, path of the executable, or pid
    const char *user;    // name or uid
    const char *peer;    // address of an end, name of one, or name that was asked for; a glob
    uint64_t since_ms;
};

bool event_matches(struct json_object *record, const struct event_filter *f);

// "10m", "2h30m" (before now); "14:05", "2026-01-31", "2026-01-31 14:05[:06]", "2026-01-31T14:05:06Z". 0 or
// -EINVAL.
int parse_since(const char *text, time_t now, uint64_t *ret_ms);

// What a server answers. True when all that is shown is fine. now_ms: since 1970.
bool render_hosts(struct json_object *items, uint64_t now_ms, bool color, struct strbuf *sb);
bool render_host(struct json_object *detail, uint64_t now_ms, bool color, struct strbuf *sb);
void render_alerts(struct json_object *items, uint64_t now_ms, bool color, struct strbuf *sb);
void render_alert(struct json_object *detail, bool color, struct strbuf *sb);
void render_tokens(struct json_object *items, bool color, struct strbuf *sb);
void render_users(struct json_object *items, bool color, struct strbuf *sb);

// What `top` answers: a heading of some lines, and the processes in columns; at most `lines` lines of at most `width` characters
// (0: as many as there are).
void render_top(struct json_object *top, bool color, unsigned lines, unsigned width,
                struct strbuf *sb);

// What `net` answers about `what`: a line about it, and rows in columns. `before`: an earlier answer, for rates; NULL: there is none.
void render_net(const char *what, struct json_object *net, struct json_object *before, bool color,
                unsigned lines, unsigned width, struct strbuf *sb);
// What of it is to be shown: rows of other processes (a pid, a name, a path) and ends (an address, a name, with '*') are taken out.
struct net_filter {
    const char *process, *peer; // NULL: all
    bool live;                  // flows that go on only
};
void net_filter_apply(struct json_object *net, const struct net_filter *f);

// Pieces of text that several of these share.
void put_escaped(struct strbuf *sb, const char *s);
void put_count(struct strbuf *sb, uint64_t n); // "1,234"
void put_bytes(struct strbuf *sb, uint64_t n); // "1.2 MiB"
void put_ns(struct strbuf *sb, uint64_t ns);   // "850 ns", "1.2 ms": two digits at least
void put_span(struct strbuf *sb, uint64_t ms); // "3 d 4 h", "12 s"
void put_time(struct strbuf *sb, uint64_t ms); // "2026-01-31 14:05:06", local time
// As many lines and characters of a picture as a terminal has (0: all); sequences of colours count for nothing.
void put_cut(const struct strbuf *from, unsigned lines, unsigned width, struct strbuf *sb);
