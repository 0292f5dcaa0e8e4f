// SPDX-License-Identifier: Apache-2.0
//
// What the files of the link share. Fields say who may touch them: everybody under the lock, or the link's own thread.
// Times are milliseconds of CLOCK_BOOTTIME unless their name says otherwise.
#pragma once

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "transport/frame.h"
#include "transport/http.h"
#include "transport/link.h"
#include "transport/msg_state.h"

#define TABLES_MAX    16
#define RESULTS_MAX   256
#define RESULTS_BYTES (4u << 20)
#define EVENTS_MAX    256
#define SEEN_MAX      256  // ids of commands that are not told twice
#define SHORT_HOLD_MS 5000 // what failed on this host's side is tried again after
#define LONG_HOLD_MS  60000
#define LOOK_MS       5000  // the identity file is looked at again after
#define IDLE_MS       30000 // so that a clock that was set is seen
#define TOTAL_MS      600000
#define SESSION_MS    10000 // a session that lasted that long was a good one

// What a request is about; one at a time, besides the poll.
enum work {
    WORK_NONE,
    WORK_HELLO,
    WORK_RENEW,
    WORK_RESULT,
    WORK_BUNDLE,
    WORK_STATE,
    WORK_RECORDS,
    WORK_POLL,
    WORK_KINDS,
};

struct link_event {
    struct link_event *next;
    bool is_bundle;
    struct msg_bundle bundle; // id NULL: none
    struct msg_command command;
    char *text[3]; // of the command, owned
};

struct link_result {
    struct link_result *next;
    char *body;
};

struct link_table {
    char name[MSG_TABLE_MAX + 1];
    struct state_set *now;  // under the lock
    struct state_set *sent; // thread: what the server has, as far as we know
    uint64_t due;           // under the lock; 0: nothing to send
    bool asked;             // thread: the server was asked once whether it has the same
    bool full;              // thread: the server has to be sent all
    bool more;              // thread: the message on its way is not the last one
};

struct link_retry {
    uint64_t last; // ms that were waited last
};

struct link {
    // Set once.
    struct link_options o;
    struct http_timing timing;
    int wake_fd, event_fd;
    pthread_t thread;

    pthread_mutex_t lock;
    // Under the lock.
    bool stop, retry_now, told;
    char pinned[LINK_ADDRESS_TEXT]; // "": the server is found by its name
    atomic_bool more; // without the lock: something was put into the source and not looked for yet
    struct link_status status;
    struct link_event *events, **events_end;
    size_t n_events;
    struct link_result *results, **results_end;
    size_t n_results, results_bytes;
    struct link_table tables[TABLES_MAX];
    size_t n_tables;

    // The link's thread only.
    struct identity *id;
    struct stat stamp; // of the identity file as it was read
    uint64_t look_at;
    struct tls_trust *trust;
    CURLM *multi;
    struct http_call call, poll;
    enum work work;   // of call
    enum work faulty; // see link_fault()
    unsigned in_row;  // frames of the security stream
    bool in_session;
    bool answered; // something besides hello worked in this session
    bool renew_asked, state_turn;
    bool leased;   // see lease
    bool accepted; // a frame, ever
    char session[WIRE_ID_MAX + 1];
    uint64_t session_at, asked_at, polled_at, next_try;
    int64_t clock_ms; // the calendar minus the time since the boot, when the last session ended
    int64_t asked_wall_ms;
    uint64_t hold[WORK_KINDS]; // not before
    struct link_retry retry;
    char *new_key; // while WORK_RENEW is on its way
    char has_bundle[WIRE_ID_MAX + 1], wants_bundle[WIRE_ID_MAX + 1], asked_bundle[WIRE_ID_MAX + 1];
    char after[WIRE_ID_MAX + 1];
    char seen[SEEN_MAX][WIRE_ID_MAX + 1];
    size_t n_seen;
    struct link_table *table; // WORK_STATE

    struct frame_writer *writer;
    struct record_lease lease; // its data only until the frame is made
    size_t frame_len;
    uint64_t due[STREAM_CLASSES];               // 0: nothing known to wait
    uint32_t limit[STREAM_CLASSES];             // records of the next frame; less after a refusal
    struct msg_stream streams[MSG_STREAMS_MAX]; // as they were told in hello
    size_t n_streams;
    struct {
        struct stream_id id;
        uint64_t acked;   // highest number that the server has acknowledged
        uint64_t counted; // losses of the server are, up to this number
    } known[STREAM_CLASSES];
    uint64_t renewed_stream_at; // 0: never
};

uint64_t link_now(void);
uint64_t link_wall_ms(void);

// link.c
void link_lock(struct link *l);
void link_unlock(struct link *l);
void link_set_state(struct link *l, enum link_state state, const struct error *err);
// Something failed without ending the session: told as the error until the same thing works.
void link_fault(struct link *l, enum work work, const struct error *err);
void link_fault_over(struct link *l, enum work work);
void link_tell(struct link *l); // the status handler, under the lock or not at all
void link_count(struct link *l, uint64_t *counter, uint64_t n);

// link_retry.c: how long to wait. Grows at random between tries, so that agents do not come back all at once.
uint64_t link_retry_next(struct link_retry *retry, uint32_t min_ms, uint32_t max_ms);
uint64_t link_random(uint64_t below); // 0 for 0

// link_queue.c
void link_events_free(struct link_event *events);
int link_push_bundle(struct link *l, struct msg_bundle *bundle); // takes what is in it
int link_push_command(struct link *l, const struct msg_command *command);
bool link_queue_has_room(struct link *l);
int link_start_result(struct link *l);
void link_result_sent(struct link *l, bool lost);
void link_results_free(struct link_result *results);

// link_run.c
void *link_run(void *arg);
// Starts the request that was put into l->call.body. 1, or a negative errno.
int link_start(struct link *l, enum work work, const char *path, const char *type,
               size_t answer_max);
// at_least: ms to wait, with a little more by chance; 0: as the backoff says.
void link_down(struct link *l, enum link_state state, const struct error *err, uint64_t at_least);
void link_hold(struct link *l, enum work work, uint64_t ms);

// link_identity.c
void link_look_at_identity(struct link *l);
bool link_renew_due(struct link *l);
int link_start_renew(struct link *l);
void link_on_renewed(struct link *l);
void link_close(struct link *l); // connections and identity

// link_session.c
int link_start_hello(struct link *l);
void link_on_hello(struct link *l);
void link_on_failure(struct link *l, enum work work, const struct http_result *result,
                     const struct error *err);

// link_records.c
void link_records_waiting(struct link *l, uint64_t now);
uint64_t link_records_due(const struct link *l); // UINT64_MAX: nothing
int link_start_records(struct link *l, uint64_t now);
void link_on_records(struct link *l);
void link_records_refused(struct link *l, const struct error *err);
void link_give_back(struct link *l);
uint64_t link_acked(const struct link *l, const struct msg_stream *s); // as far as we were told
void link_compare_streams(struct link *l, const struct msg_hello_answer *m);

// link_state.c
uint64_t link_state_due(struct link *l); // UINT64_MAX: nothing
int link_start_state(struct link *l, uint64_t now);
void link_on_state(struct link *l);
void link_state_differs(struct link *l);
void link_state_unsure(struct link *l); // a new session
void link_tables_free(struct link *l);

// link_poll.c
int link_start_poll(struct link *l);
void link_on_poll(struct link *l, uint64_t now);
int link_start_bundle(struct link *l);
void link_on_bundle(struct link *l);
void link_want_bundle(struct link *l, const char *id); // NULL: none
