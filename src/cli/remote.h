// SPDX-License-Identifier: Apache-2.0
//
// Commands that ask a server: its REST API over HTTPS. Which server, with which token and by which certificate
// authority it is known comes from the command line, the environment, or what `safeguard login` kept (profile.h). A
// server is only ever believed with the authority that was kept or named; there is no way to skip that.
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "cli/cli.h"

#define REMOTE_ANSWER_MAX ((size_t)64 << 20) // bytes of one answer
#define REMOTE_TIMEOUT_MS 60000
#define REMOTE_API        "/api/v1"

struct remote;

// Names what is known of the server: --server, $SAFEGUARD_SERVER, or the one that was logged in to last; $SAFEGUARD_TOKEN
// and $SAFEGUARD_CA win over what was kept. -EDESTADDRREQ: none is known; -ENOKEY: nothing that it would let us in with. Connects to nothing yet.
int remote_new(const struct cli *cli, struct remote **ret_remote, struct error *err);
struct remote *remote_free(struct remote *r);
DEFINE_CLEANUP(struct remote *, remote_free)

// One that nobody is logged in to yet: the server and its certificate authority as PEM.
int remote_new_bare(const char *url, const char *ca_pem, struct remote **ret_remote,
                    struct error *err);

const char *remote_url(const struct remote *r); // "https://host:8443"

// Asks: `path` begins behind /api/v1 ("/hosts?state=ok"). `body` is JSON, or NULL. 0 and the answer (the caller puts it; NULL
// for one without content). Else an errno that fits the status, with the server's own words in err:
//   -EACCES (401), -EPERM (403), -ENOENT (404), -EBUSY (409), -EINVAL (400, 422), -EAGAIN (429, 503), -E2BIG (413), -EIO; and
//   -ECONNREFUSED, -ETIMEDOUT, -ECONNRESET: it does not answer; -EKEYREJECTED: it is not who it should be.
int remote_call(struct remote *r, const char *method, const char *path, const struct strbuf *body,
                struct json_object **ret_answer, struct error *err);

// A long answer, line by line without their ends, until it ends or fn returns something other than 0, which is returned then.
// Lines longer than REMOTE_LINE_MAX end it with -EMSGSIZE. No limit in time.
#define REMOTE_LINE_MAX ((size_t)1 << 20)
typedef int (*remote_line_fn)(void *ctx, const char *line, size_t len);
int remote_lines(struct remote *r, const char *path, remote_line_fn fn, void *ctx,
                 struct error *err);

// The cookie of a session (log-in only) and the token that changes by it need.
int remote_keep_cookies(struct remote *r);
int remote_set_csrf(struct remote *r, const char *csrf);

// Appends "?key=value" or "&key=value", encoded; nothing for a NULL or empty value. And a piece of a path.
void url_param(struct strbuf *url, const char *key, const char *value);
void url_param_u64(struct strbuf *url, const char *key, uint64_t value);
void url_piece(struct strbuf *url, const char *piece);

// What a command does most often: opens, asks, says what went wrong. 0, or the exit status as a positive number.
int cli_remote(struct cli *cli, struct remote **ret_remote);
int cli_call(struct cli *cli, struct remote *r, const char *method, const char *path,
             const struct strbuf *body, struct json_object **ret_answer);

// Appends the path of a host that somebody named: by its id, or by its name where one host alone has it. An exit status.
int cli_host_path(struct cli *cli, struct remote *r, const char *named, struct strbuf *path);

// All items of a list, page after page, as one array (the caller puts it); at most `max`.
int cli_list(struct cli *cli, struct remote *r, const char *path, size_t max,
             struct json_object **ret_items);

// Commands that are no more than that: print a list (as JSON, or by `render`), or change something and say what was done (a
// line with its newline). Exit statuses.
int cli_show_list(struct cli *cli, const char *path, size_t max,
                  void (*render)(struct json_object *items, bool color, struct strbuf *sb));
int cli_change(struct cli *cli, const char *method, const char *path, const struct strbuf *body,
               const char *said);
