// SPDX-License-Identifier: Apache-2.0
//
// The filters of /events, /rollup and /top, from their parameters.
#pragma once

#include "api/api.h"
#include "base/strbuf.h"
#include "store/store.h"

#define EVENT_DAY_MS UINT64_C(86400000)

struct event_filter {
    struct store_filter f; // points into what follows, or into the request
    uint32_t classes[STORE_CLASSES_MAX], not_classes[STORE_CLASSES_MAX];
};

// Strings stay the request's. -EINVAL with err: a class that is no number.
int event_filter_read(const struct api_request *rq, struct event_filter *ret, struct error *err);
// The same for charts: without a time, the last 24 hours.
int event_filter_read_times(const struct api_request *rq, struct event_filter *ret,
                            struct error *err);

// A copy that outlives the request: strings and lists are its own.
int event_filter_keep(const struct store_filter *f, struct store_filter **ret);
struct store_filter *event_filter_free(struct store_filter *f);
DEFINE_CLEANUP(struct store_filter *, event_filter_free)
