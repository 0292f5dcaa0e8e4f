// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

static const struct api_route routes[] = {
#define ROUTE(id, method, path, access, flags, summary, request, response) \
    {#id, API_##method, path, API_##access, flags, summary, request, response, route_##id},
#define LATER(id, method, path, access, flags, summary, request, response) \
    {#id, API_##method, path, API_##access, flags, summary, request, response, NULL},
#define PARAM(route, name, type, help)
#include "server/routes.def"
};

static const struct api_param params[] = {
#define ROUTE(id, method, path, access, flags, summary, request, response)
#define LATER(id, method, path, access, flags, summary, request, response)
#define PARAM(route, name, type, help) {#route, #name, type, help},
#include "server/routes.def"
};

static const struct api_field fields[] = {
#define TYPE(schema, type, help)           {#schema, NULL, type, help, false},
#define OBJECT(schema, help)               {#schema, NULL, NULL, help, false},
#define FIELD(schema, name, type, help)    {#schema, #name, type, help, false},
#define OPTIONAL(schema, name, type, help) {#schema, #name, type, help, true},
#include "server/schemas.def"
};

const struct api_tables server_tables = {
    .routes = routes,
    .n_routes = ARRAY_SIZE(routes),
    .params = params,
    .n_params = ARRAY_SIZE(params),
    .fields = fields,
    .n_fields = ARRAY_SIZE(fields),
    .title = "safeguard",
    .version = SAFEGUARD_VERSION,
};
