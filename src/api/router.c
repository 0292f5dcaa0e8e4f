// SPDX-License-Identifier: Apache-2.0
#include "api/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/schemas.h"
#include "base/alloc.h"
#include "base/macro.h"
#include "base/strutil.h"

static const char *const methods[API_METHODS] = {
    [API_GET] = "GET",     [API_POST] = "POST",     [API_PUT] = "PUT",
    [API_PATCH] = "PATCH", [API_DELETE] = "DELETE",
};

const char *api_method_name(enum api_method method)
{
    return (unsigned)method < API_METHODS ? methods[method] : "";
}

int api_method_find(const char *name, enum api_method *ret)
{
    if (streq(name, "HEAD"))
        name = "GET";
    for (unsigned i = 0; i < API_METHODS; i++)
        if (streq(name, methods[i])) {
            *ret = (enum api_method)i;
            return 0;
        }
    return -ENOENT;
}

size_t route_body_max(const struct api_route *row)
{
    if (row->flags & API_FRAME)
        return API_BODY_FRAME;
    if (row->flags & API_RAW)
        return API_BODY_RAW;
    if (!*row->request)
        return ROUTE_EMPTY_BODY;
    return row->flags & API_BIG ? API_BODY_BIG : API_BODY_MAX;
}

static bool is_arg(const char *segment)
{
    return segment[0] == '{';
}

int route_arg(const struct route *route, const char *name)
{
    size_t len = strlen(name);
    int n = 0;

    for (size_t i = 0; i < route->n_segments; i++) {
        const char *s = route->segments[i];

        if (!is_arg(s))
            continue;
        if (strlen(s) == len + 2 && strncmp(s + 1, name, len) == 0)
            return n;
        n++;
    }
    return -1;
}

const struct route_param *route_find_param(const struct route *route, const char *name)
{
    for (size_t i = 0; i < route->n_params; i++)
        if (streq(route->params[i].row->name, name))
            return &route->params[i];
    return NULL;
}

// 0: no match; otherwise the better the more. A fixed segment counts more the further left it is.
static unsigned match(const struct route *route, const struct target *t)
{
    unsigned score = 1;

    if (route->n_segments != t->n_segments || t->directory)
        return 0;
    for (size_t i = 0; i < t->n_segments; i++) {
        bool arg = is_arg(route->segments[i]);

        if (!arg && !streq(route->segments[i], t->segments[i]))
            return 0;
        score = score << 1 | !arg;
    }
    return score;
}

const struct route *router_find(const struct router *r, enum api_method method,
                                const struct target *t, unsigned *ret_methods)
{
    const struct route *best = NULL;
    unsigned best_score = 0, found = 0;

    for (size_t i = 0; i < r->n_routes; i++) {
        const struct route *route = &r->routes[i];
        unsigned score = match(route, t);

        if (score == 0)
            continue;
        found |= 1u << route->row->method;
        if (route->row->method == method && score > best_score) {
            best = route;
            best_score = score;
        }
    }
    *ret_methods = found;
    return best;
}

static int optional_type(const struct api_schemas *s, const char *text, struct api_type **ret,
                         struct error *err)
{
    _cleanup_(api_type_freep) struct api_type *t = NULL;
    int r;

    if (!*text)
        return 0;
    r = api_type_parse(text, &t, err);
    if (r == 0 && !api_schemas_have(s, t))
        r = error_set(err, -EINVAL, "'%s' names nothing", text);
    if (r == 0)
        *ret = TAKE_PTR(t);
    return r;
}

static bool valid_segment(const char *s)
{
    size_t len = strlen(s);

    return !is_arg(s) || (len > 2 && s[len - 1] == '}');
}

static int read_route(struct router *router, const struct api_route *row, struct route *route,
                      struct error *err)
{
    size_t args = 0;
    int r;

    route->row = row;
    r = strv_split(row->path, "/", &route->segments);
    if (r < 0)
        return error_set(err, r, "%m");
    route->n_segments = strv_len(route->segments);
    for (size_t i = 0; i < route->n_segments; i++) {
        if (!valid_segment(route->segments[i]))
            return error_set(err, -EINVAL, "the path is not well-formed");
        args += is_arg(route->segments[i]);
    }
    if (row->path[0] != '/' || args > ROUTE_ARGS_MAX || route->n_segments > TARGET_SEGMENTS_MAX)
        return error_set(err, -EINVAL, "the path is not well-formed");
    r = optional_type(router->schemas, row->request, &route->request, err);
    return r < 0 ? r : optional_type(router->schemas, row->response, &route->response, err);
}

static const struct api_type *resolve(const struct api_schemas *s, const struct api_type *t)
{
    while (t->kind == API_TYPE_NAME) {
        const struct schema *named = map_get_str(s->by_name, t->name);

        if (!named || !named->alias)
            break;
        t = named->alias;
    }
    return t;
}

static int read_param(struct router *router, const struct api_param *row, struct error *err)
{
    struct route *route = NULL;
    struct route_param *p;

    for (size_t i = 0; i < router->n_routes; i++)
        if (streq(router->routes[i].row->id, row->route))
            route = &router->routes[i];
    if (!route)
        return error_set(err, -EINVAL, "there is no such route");
    if (route_find_param(route, row->name))
        return error_set(err, -EEXIST, "%m");
    if (!GREEDY(route->params, route->cap_params, route->n_params + 1))
        return error_set(err, -ENOMEM, "%m");
    p = &route->params[route->n_params++];
    *p = (struct route_param){.row = row};
    if (!*row->type)
        return error_set(err, -EINVAL, "it has no type");
    if (optional_type(router->schemas, row->type, &p->type, err) < 0 || !p->type)
        return -EINVAL;
    p->list = p->type->kind == API_TYPE_LIST;
    p->value = resolve(router->schemas, p->list ? p->type->item : p->type);
    return 0;
}

// Two rows that answer to one address: equal but for the names of parameters.
static bool same_address(const struct route *a, const struct route *b)
{
    if (a->row->method != b->row->method || a->n_segments != b->n_segments)
        return false;
    for (size_t i = 0; i < a->n_segments; i++)
        if (is_arg(a->segments[i]) != is_arg(b->segments[i]) ||
            (!is_arg(a->segments[i]) && !streq(a->segments[i], b->segments[i])))
            return false;
    return true;
}

static int read_routes(struct router *router, const struct api_tables *tables, struct error *err)
{
    for (size_t i = 0; i < tables->n_routes; i++) {
        struct route *route = &router->routes[i];
        int r = read_route(router, &tables->routes[i], route, err);

        router->n_routes++;
        for (size_t k = 0; k < i && r == 0; k++)
            if (same_address(route, &router->routes[k]) ||
                streq(route->row->id, router->routes[k].row->id))
                r = error_set(err, -EEXIST, "the same as '%s'", router->routes[k].row->id);
        if (r < 0) {
            error_context(err, "route %s", tables->routes[i].id);
            return r;
        }
    }
    return 0;
}

int router_new(const struct api_tables *tables, struct router **ret, struct error *err)
{
    _cleanup_(router_freep) struct router *router = new0(struct router, 1);
    int r;

    if (!router)
        return error_set(err, -ENOMEM, "%m");
    router->routes = new0(struct route, tables->n_routes);
    if (!router->routes)
        return error_set(err, -ENOMEM, "%m");
    r = api_schemas_new(tables->fields, tables->n_fields, &router->schemas, err);
    if (r == 0)
        r = read_routes(router, tables, err);
    for (size_t i = 0; i < tables->n_params && r == 0; i++) {
        r = read_param(router, &tables->params[i], err);
        if (r < 0)
            error_context(err, "parameter %s of %s", tables->params[i].name,
                          tables->params[i].route);
    }
    if (r < 0)
        return r;
    *ret = TAKE_PTR(router);
    return 0;
}

struct router *router_free(struct router *router)
{
    if (!router)
        return NULL;
    for (size_t i = 0; i < router->n_routes; i++) {
        struct route *route = &router->routes[i];

        (void)strv_free(route->segments);
        (void)api_type_free(route->request);
        (void)api_type_free(route->response);
        for (size_t k = 0; k < route->n_params; k++)
            (void)api_type_free(route->params[k].type);
        free(route->params);
    }
    free(router->routes);
    (void)api_schemas_free(router->schemas);
    free(router);
    return NULL;
}
