// SPDX-License-Identifier: Apache-2.0
//
// The tables, checked and in a form to look things up in. Immutable once made, used by all threads.
#pragma once

#include "api/api.h"
#include "api/schema.h"
#include "api/target.h"

#define ROUTE_ARGS_MAX   3            // parameters in a path
#define ROUTE_EMPTY_BODY ((size_t)16) // "{}" where nothing is expected

struct route_param {
    const struct api_param *row;
    struct api_type *type;
    const struct api_type *value; // the type itself, or that of a list's values, names resolved
    bool list;
};

struct route {
    const struct api_route *row;
    char **segments; // "{id}" for a parameter
    size_t n_segments;
    struct api_type *request, *response; // NULL: none
    struct route_param *params;
    size_t n_params, cap_params;
};

struct router {
    struct api_schemas *schemas;
    struct route *routes;
    size_t n_routes;
};

// -EINVAL with err: a row that is not well-formed, or two for one address.
int router_new(const struct api_tables *tables, struct router **ret, struct error *err);
struct router *router_free(struct router *r);
DEFINE_CLEANUP(struct router *, router_free)

// The route of that address; fixed segments win over parameters. `ret_methods` gets a bit for each method that the address has.
// NULL: no such address, or (ret_methods not 0) not with this method.
const struct route *router_find(const struct router *r, enum api_method method,
                                const struct target *t, unsigned *ret_methods);

// The number of the path's parameter, as in the path; -1: none of that name.
int route_arg(const struct route *route, const char *name);

const char *api_method_name(enum api_method method);
int api_method_find(const char *name, enum api_method *ret); // HEAD is API_GET. -ENOENT
size_t route_body_max(const struct api_route *row);
const struct route_param *route_find_param(const struct route *route, const char *name);
