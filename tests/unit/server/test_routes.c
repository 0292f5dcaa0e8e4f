// SPDX-License-Identifier: Apache-2.0
//
// Every route and every role: who is let in and who is not. A route without a row here fails, so that nobody adds one
// without saying who it is for. What is answered has the shape that the tables say.
#include "tests/unit/unit.h"

#include "tests/unit/server/rig.h"

#include "api/schema.h"
#include "base/jsonget.h"

// Letters: n nobody, v viewer, o operator, d admin, a auditor, h a host. Only these are let in.
static const struct {
    const char *id, *who;
} rows[] = {
    {"login", "nvodah"},
    {"login_once", "nvodah"},
    {"logout", "voda"},
    {"session", "voda"},
    {"session_password", "voda"},
    {"healthz", "nvodah"},
    {"openapi", "nvodah"},
    {"server", "da"},
    {"overview", "voda"},
    {"fleet", "voda"},
    {"agent_enrol", "nvodah"},
    {"agent_renew", "h"},
    {"agent_hello", "h"},
    {"agent_records", "h"},
    {"agent_poll", "h"},
    {"agent_bundle", "h"},
    {"agent_state", "h"},
    {"agent_result", "h"},
    {"rollup", "voa"},
    {"top", "voa"},
    {"events", "voa"},
    {"event", "voa"},
    {"events_stream", "voa"},
    {"events_export", "voa"},
    {"events_timeline", "voa"},
    {"alerts_timeline", "voa"},
    {"hosts", "voda"},
    {"host", "voda"},
    {"host_change", "o"},
    {"host_revoke", "d"},
    {"host_delete", "d"},
    {"host_state", "voa"},
    {"host_processes", "voa"},
    {"host_running", "voa"},
    {"host_process", "voa"},
    {"host_process_tree", "voa"},
    {"host_live_processes", "voa"},
    {"host_live_scheduling", "voa"},
    {"host_live_defence", "voa"},
    {"host_live_network", "voa"},
    {"host_command", "o"},
    {"host_commands", "voa"},
    {"strangers", "da"},
    {"stranger_adopt", "d"},
    {"enrolment_tokens", "da"},
    {"enrolment_token_new", "d"},
    {"enrolment_token_delete", "d"},
    {"policies", "voa"},
    {"policy_new", "o"},
    {"policy", "voa"},
    {"policy_write", "o"},
    {"policy_change", "o"},
    {"policy_delete", "o"},
    {"policy_versions", "voa"},
    {"policy_version", "voa"},
    {"policy_hosts", "voa"},
    {"policy_check", "voa"},
    {"policy_dryrun", "voa"},
    {"rollout_new", "o"},
    {"rollouts", "voa"},
    {"rollout_advance", "o"},
    {"rollout_pause", "o"},
    {"rollout_resume", "o"},
    {"rollout_rollback", "o"},
    {"alerts", "voa"},
    {"alert", "voa"},
    {"alert_change", "o"},
    {"alert_comment", "o"},
    {"alert_events", "voa"},
    {"alert_exception", "o"},
    {"alerts_bulk", "o"},
    {"users", "da"},
    {"user_new", "d"},
    {"user_change", "d"},
    {"user_delete", "d"},
    {"tokens", "voda"},
    {"token_new", "voda"},
    {"token_delete", "voda"},
    {"audit", "a"},
    {"audit_export", "a"},
    {"channels", "da"},
    {"channel_new", "d"},
    {"channel_change", "d"},
    {"channel_delete", "d"},
    {"channel_test", "d"},
    {"settings", "da"},
    {"settings_change", "d"},
};

static const char *row_of(const char *id)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (streq(rows[i].id, id))
            return rows[i].who;
    return NULL;
}

static void test_every_route_has_a_row(void **state _unused_)
{
    for (size_t i = 0; i < server_tables.n_routes; i++) {
        if (!row_of(server_tables.routes[i].id))
            (void)fprintf(stderr, "%s: no row says who it is for\n", server_tables.routes[i].id);
        assert_non_null(row_of(server_tables.routes[i].id));
    }
    assert_int_equal(server_tables.n_routes, ARRAY_SIZE(rows));
}

// "/api/v1/hosts/{id}" → "/api/v1/hosts/none".
static void address_of(const struct api_route *route, char *buf, size_t size)
{
    size_t len = 0;

    for (const char *at = route->path; *at && len < size - 8; at++) {
        if (*at != '{') {
            buf[len++] = *at;
            continue;
        }
        memcpy(buf + len, "none", 4);
        len += 4;
        at += strcspn(at, "}");
    }
    buf[len] = '\0';
}

static const char *method_of(const struct api_route *route)
{
    static const char *const names[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

    return names[route->method];
}

struct asker {
    char letter;
    const char *user;
    uint32_t roles;
    struct peer peer;
    struct agent agent;
};

// Refused for who he is, not for what he sends.
static bool is_refused(const struct peer *p)
{
    static const char *const codes[] = {"unauthorized", "forbidden", "certificate"};
    struct json_object *o = json_tokener_parse(sb_str(&p->answer.body));
    const char *code = json_get_str(json_get(o, "error"), "code", "");
    bool refused = false;

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        refused = refused || streq(code, codes[i]);
    refused = refused && (p->answer.status == 401 || p->answer.status == 403);
    json_object_put(o);
    return refused;
}

// Of what is served, a body that cannot be right is sent, so that nothing is changed.
static void ask(struct asker *a, const struct api_route *route)
{
    struct peer *p = a->letter == 'h' ? &a->agent.peer : &a->peer;
    const char *body = route->method == API_GET ||
                               !(*route->request || route->flags & (API_RAW | API_FRAME))
                           ? NULL
                           : "{\"no\":\"such\"}";
    char target[256];

    address_of(route, target, sizeof(target));
    p->stop_after = route->flags & (API_EVENTS | API_LINES) ? 1 : 0;
    (void)curl_easy_setopt(p->curl, CURLOPT_TIMEOUT_MS,
                           route->flags & (API_EVENTS | API_LINES) ? 1000L : 30000L);
    if (body)
        (void)peer_send(p, method_of(route), target, body);
    else
        (void)peer_ask(p, method_of(route), target, NULL, 0);
    p->stop_after = 0;
}

static void test_roles(void **state _unused_)
{
    struct asker askers[] = {
        {.letter = 'n'},
        {.letter = 'v', .user = "viewer", .roles = ROLE_VIEWER},
        {.letter = 'o', .user = "operator", .roles = ROLE_OPERATOR},
        {.letter = 'd', .user = "admin", .roles = ROLE_ADMIN},
        {.letter = 'a', .user = "auditor", .roles = ROLE_AUDITOR},
        {.letter = 'h'},
    };
    struct rig *rig = rig_new();
    unsigned wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
        struct asker *a = &askers[i];

        rig_peer(rig, &a->peer);
        if (a->letter == 'h') {
            agent_new(&a->agent, rig);
            assert_int_equal(agent_hello(&a->agent, NULL), 200);
        } else if (a->user) {
            rig_user(rig, a->user, a->roles);
            peer_be(&a->peer, a->user);
        }
    }
    for (size_t i = 0; i < server_tables.n_routes; i++)
        for (size_t k = 0; k < ARRAY_SIZE(askers); k++) {
            const struct api_route *route = &server_tables.routes[i];
            struct asker *a = &askers[k];
            struct peer *p = a->letter == 'h' ? &a->agent.peer : &a->peer;
            bool let_in = strchr(row_of(route->id), a->letter) != NULL;

            // What ends a session is asked last, by itself.
            if (streq(route->id, "logout") && let_in)
                continue;
            ask(a, route);
            if (is_refused(p) != let_in)
                continue;
            (void)fprintf(stderr, "%s as '%c': %ld %s\n", route->id, a->letter, p->answer.status,
                          sb_str(&p->answer.body));
            wrong++;
        }
    assert_int_equal(wrong, 0);
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
        if (askers[i].user)
            assert_int_equal(peer_ask(&askers[i].peer, "POST", "/api/v1/logout", "", 0), 204);
        peer_done(&askers[i].peer);
        if (askers[i].letter == 'h')
            agent_done(&askers[i].agent);
    }
    rig_free(rig);
}

// A change by cookie without the CSRF token is refused on every route that has one.
static void test_csrf_everywhere(void **state _unused_)
{
    struct rig *rig = rig_new();
    char header[300], cookie[256], target[256];
    struct peer p;

    rig_user(rig, "all", ROLE_ADMIN);
    rig_peer(rig, &p);
    assert_int_equal(peer_login(&p, "all", PASSWORD), 200);
    (void)snprintf(header, sizeof(header), "Cookie: %s", peer_cookie(&p, cookie, sizeof(cookie)));
    peer_header(&p, header);
    for (size_t i = 0; i < server_tables.n_routes; i++) {
        const struct api_route *route = &server_tables.routes[i];

        if (route->method == API_GET || route->access == API_PUBLIC || route->access == API_AGENT)
            continue;
        address_of(route, target, sizeof(target));
        assert_int_equal(peer_send(&p, method_of(route), target, "{}"), 403);
        assert_true(peer_says(&p, "\"code\":\"csrf\""));
    }
    peer_done(&p);
    rig_free(rig);
}

static void check_shape(const struct api_schemas *schemas, const struct api_route *route,
                        const struct peer *p)
{
    struct json_object *o = json_tokener_parse(sb_str(&p->answer.body));
    const char *text = p->answer.status < 400 ? route->response : "Error";
    struct api_type *type = NULL;
    struct error err = {};
    int r;

    assert_int_equal(api_type_parse(text, &type, &err), 0);
    r = api_schemas_check(schemas, type, o, &err);
    if (r < 0) {
        (void)fprintf(stderr, "%s %ld: %s\n", route->id, p->answer.status, sb_str(&p->answer.body));
        error_print(&err, stderr);
    }
    assert_int_equal(r, 0);
    (void)api_type_free(type);
    json_object_put(o);
}

// Everything that can be read, on a server that has something, and what is refused.
static void test_shapes(void **state _unused_)
{
    static const char line[] =
        "{\"class_uid\":1001,\"activity_id\":14,\"severity_id\":4,\"time\":1795721106337,"
        "\"action_id\":2,\"disposition_id\":2,\"message\":\"x\"}";
    struct api_schemas *schemas = NULL;
    struct rig *rig = rig_new();
    struct stream_id stream;
    struct error err = {};
    struct agent a;
    struct peer people[4];
    static const struct {
        const char *name;
        uint32_t role;
    } users[] = {{"viewer", ROLE_VIEWER},
                 {"operator", ROLE_OPERATOR},
                 {"admin", ROLE_ADMIN},
                 {"auditor", ROLE_AUDITOR}};

    assert_int_equal(api_schemas_new(server_tables.fields, server_tables.n_fields, &schemas, &err),
                     0);
    assert_int_equal(stream_id_new(&stream), 0);
    agent_new(&a, rig);
    assert_int_equal(agent_hello(&a, &stream), 200);
    assert_int_equal(agent_send(&a, &stream, 1, 20, line), 200);
    for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
        rig_user(rig, users[i].name, users[i].role);
        rig_peer(rig, &people[i]);
        peer_be(&people[i], users[i].name);
    }
    for (size_t i = 0; i < server_tables.n_routes; i++) {
        const struct api_route *route = &server_tables.routes[i];
        char target[256];

        address_of(route, target, sizeof(target));
        if (route->method != API_GET || route->access == API_AGENT ||
            route->flags & (API_EVENTS | API_LINES))
            continue;
        for (size_t k = 0; k < ARRAY_SIZE(people); k++) {
            (void)peer_get(&people[k], target);
            check_shape(schemas, route, &people[k]);
        }
        // With a host in the address.
        if (str_startswith(route->path, "/api/v1/hosts/{id}")) {
            (void)snprintf(target, sizeof(target), "/api/v1/hosts/%s%.*s%s", a.id,
                           (int)strcspn(route->path + strlen("/api/v1/hosts/{id}"), "{"),
                           route->path + strlen("/api/v1/hosts/{id}"),
                           strchr(route->path + strlen("/api/v1/hosts/{id}"), '{') ? "health" : "");
            (void)peer_get(&people[1], target);
            check_shape(schemas, route, &people[1]);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(users); i++)
        peer_done(&people[i]);
    agent_done(&a);
    (void)api_schemas_free(schemas);
    rig_free(rig);
}

static void look_at_refs(struct json_object *root, struct json_object *o)
{
    const char *ref = json_get_str(o, "$ref", NULL);

    if (ref) {
        assert_non_null(str_startswith(ref, "#/components/schemas/"));
        assert_non_null(json_get(json_get(json_get(root, "components"), "schemas"), ref + 21));
    }
    if (json_object_is_type(o, json_type_object)) {
        json_object_object_foreach(o, key, value)
        {
            (void)key;
            look_at_refs(root, value);
        }
    } else if (json_object_is_type(o, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(o); i++)
            look_at_refs(root, json_object_array_get_idx(o, i));
    }
}

static void test_openapi(void **state _unused_)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct json_object *o, *paths;
    struct error err = {};

    assert_int_equal(api_openapi(&server_tables, &sb, &err), 0);
    o = json_tokener_parse(sb_str(&sb));
    assert_string_equal(json_get_str(o, "openapi", ""), "3.1.0");
    paths = json_get(o, "paths");
    look_at_refs(o, o);
    for (size_t i = 0; i < server_tables.n_routes; i++) {
        const struct api_route *route = &server_tables.routes[i];
        struct json_object *path = json_get(paths, route->path), *op;
        char method[8] = "";

        if (route->flags & API_UNLISTED) {
            assert_null(path);
            continue;
        }
        for (size_t k = 0; method_of(route)[k]; k++)
            method[k] = (char)(method_of(route)[k] | 0x20);
        op = json_get(path, method);
        assert_string_equal(json_get_str(op, "operationId", ""), route->id);
        assert_int_equal(json_get(op, "requestBody") != NULL, *route->request != '\0');
    }
    json_object_put(o);
}

UNIT_MAIN(cmocka_unit_test(test_every_route_has_a_row), cmocka_unit_test(test_roles),
          cmocka_unit_test(test_csrf_everywhere), cmocka_unit_test(test_shapes),
          cmocka_unit_test(test_openapi))
