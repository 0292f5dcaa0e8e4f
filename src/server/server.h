// SPDX-License-Identifier: Apache-2.0
//
// The server: what its files share. main.c makes it and takes it apart; a route is a function in one of
// route_*.c, named by its row in routes.def. Handlers run in several threads at once and change nothing here: registry
// and store are safe for threads, what else there is guards itself.
//
// A handler of another room's things:
//     int route_hosts(struct server *s, struct api_request *rq, struct jw *out, struct error *err)
// reads with api_path(), api_query_*() and api_body(), whose types the rows have checked already; acts as
// api_actor(rq); writes one value to out; returns 0 or a negative errno. Codes become statuses (api/error.c):
//     -EINVAL -EBADMSG 400    -EACCES -EPERM 403    -ENOENT 404    -EEXIST -EBUSY -ESTALE 409    -EMSGSIZE -E2BIG 413
//     -EAGAIN -EDQUOT 429     -ENOSPC -EIO -EROFS -ETIMEDOUT 503   anything else 500
// and api_fail() says another one.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "registry/registry.h"
#include "server/config.h"

struct asking;
struct ca;
struct ingest;
struct local;
struct notify;
struct options;
struct store;
struct tail;
struct upkeep;

struct server {
    struct server_config config;
    struct loop *loop;
    struct registry *registry;
    struct store *store;
    struct ca *ca;
    struct api *api;
    struct ingest *ingest; // frames on their way to the store
    struct tail *tail;     // live views
    struct asking *asking; // what hosts are asked while somebody looks
    struct notify *notify; // messages about alerts
    struct upkeep *upkeep; // what is done now and then
    struct local *local;   // commands
    char **names;          // that the server is reached by
    uint64_t started_ms;   // since 1970
    atomic_int logins;     // passwords that are looked at now
    bool serving;
};

// One declaration a row.
#define ROUTE(id, method, path, access, flags, summary, request, response) \
    int route_##id(struct server *s, struct api_request *rq, struct jw *out, struct error *err);
#define LATER(id, method, path, access, flags, summary, request, response)
#define PARAM(route, name, type, help)
#include "server/routes.def"

// The tables made of the rows.
extern const struct api_tables server_tables;

// start.c: everything between settings and serving --------------------------------------------------

// Opens registry, CA and store and makes what is missing. For commands, too, which do not serve.
int server_open(struct server *s, bool with_store, struct error *err);
// Listens and serves.
int server_start(struct server *s, struct error *err);
// The way back. False: somebody did not come to an end, and nothing can be freed.
bool server_stop(struct server *s);
void server_close(struct server *s);

// The names in the settings, or those of this machine, as a strv.
int server_names(const struct server_config *config, char ***ret);
// What is put into tokens and messages; the caller frees.
char *server_url(const struct server *s);
// A certificate that ends soon is replaced, and new connections get the new one. 1: it was, 0: it is good.
int server_renew_certificate(struct server *s, struct error *err);

// who.c: who is asking ------------------------------------------------------------------------------

int who_session(struct server *s, const char *cookie, const char *address, struct api_identity *ret,
                struct error *err);
int who_token(struct server *s, const char *token, const char *address, struct api_identity *ret,
              struct error *err);
int who_agent(struct server *s, const struct api_certificate *certificate, struct api_identity *ret,
              struct error *err);

// What a woken poll of an agent waits on: api_wake(s->api, server_host_key(id)).
uint64_t server_host_key(const char *host);

// For handlers of the link: an error with the word that agents know.
int wire_fail(struct api_request *rq, int r, unsigned code);

uint64_t server_now(void); // ms since 1970

// commands.c, local.c: what is done on the server's own machine --------------------------------------

// Runs a command; texts go to out and to errs. `secret` is a password that the caller asked for, or NULL. The exit status.
int command_run(struct server *s, int argc, char **argv, const char *secret, struct strbuf *out,
                struct strbuf *errs);
// What command_run() wants asked before: 0 nothing, 1 a password, 2 a new one (twice). -1: no such command, errs says which there are.
int command_wants(int argc, char **argv, struct strbuf *errs);
// The rows, for help, manual page and completion.
const struct options *command_options(size_t *ret_n);

struct local;
// Takes commands at run_dir/admin.sock, from root and from the user that the server runs as.
int local_new(struct server *s, struct local **ret, struct error *err);
struct local *local_free(struct local *l);
// Has the server that runs do it. -ENOENT, -ECONNREFUSED: none runs. Otherwise 0 and its exit status.
int local_ask(const char *run_dir, int argc, char **argv, const char *secret, struct strbuf *out,
              struct strbuf *errs, int *ret_status);

// upkeep.c: what is done now and then, in a thread of its own --------------------------------------

int upkeep_new(struct server *s, struct upkeep **ret);
struct upkeep *upkeep_free(struct upkeep *u);

struct upkeep_report {
    uint64_t lost_agents, lost_spool; // records, as the hosts report
    uint64_t certificate_ends_ms;
    char problem[512]; // of the last round; "": none
    char cure[256];
};
struct json_object;
// Records that a host's row of losses counts.
uint64_t losses_of(struct json_object *row);
void upkeep_report(struct upkeep *u, struct upkeep_report *ret);
