// SPDX-License-Identifier: Apache-2.0
#include "model/flow.h"

#include "base/macro.h"
#include "model/network.h"

static const char *const types[] = {
    [SG_FLOW_CONNECT] = "connect", [SG_FLOW_ACCEPT] = "accept",
    [SG_FLOW_LISTEN] = "listen",   [SG_FLOW_LISTEN_END] = "listen_end",
    [SG_FLOW_CLOSE] = "close",     [SG_FLOW_BEGIN] = "begin",
    [SG_FLOW_END] = "end",
};
STATIC_ASSERT(ARRAY_SIZE(types) == SG_FLOW_TYPES, "a type of flows without a name");

static const char *const reasons[] = {
    [SG_FLOW_GOES_ON] = "none",
    [SG_FLOW_FIN_BY_US] = "fin_by_us",
    [SG_FLOW_FIN_BY_THEM] = "fin_by_them",
    [SG_FLOW_RESET_SENT] = "reset_sent",
    [SG_FLOW_RESET_RECEIVED] = "reset_received",
    [SG_FLOW_TIMED_OUT] = "timed_out",
    [SG_FLOW_REFUSED] = "refused",
    [SG_FLOW_UNREACHABLE] = "unreachable",
    [SG_FLOW_ABORTED] = "aborted",
    [SG_FLOW_CANCELLED] = "cancelled",
    [SG_FLOW_FAILED] = "failed",
    [SG_FLOW_CLOSED] = "closed",
    [SG_FLOW_IDLE] = "idle",
    [SG_FLOW_EVICTED] = "evicted",
};
STATIC_ASSERT(ARRAY_SIZE(reasons) == SG_FLOW_REASONS, "a reason of an end without a name");

const char *flow_type_name(enum sg_flow_type type)
{
    return (unsigned)type < ARRAY_SIZE(types) ? types[type] : NULL;
}

const char *flow_reason_name(enum sg_flow_reason reason)
{
    return (unsigned)reason < ARRAY_SIZE(reasons) ? reasons[reason] : NULL;
}

bool flow_is_end(const struct flow *flow)
{
    return flow->type == SG_FLOW_CLOSE || flow->type == SG_FLOW_LISTEN_END ||
           flow->type == SG_FLOW_END;
}

uint64_t flow_duration_ns(const struct flow *flow)
{
    return flow->begin_ns ? flow->last_ns - flow->begin_ns : 0;
}

static const char *const wides[] = {
    [NETWORK_PORTS] = "ports",
    [NETWORK_PEERS] = "peers",
    [NETWORK_NAMES] = "names",
};
STATIC_ASSERT(ARRAY_SIZE(wides) == NETWORK_WIDES, "a word for each");

const char *network_wide_name(enum network_wide wide)
{
    return (unsigned)wide < ARRAY_SIZE(wides) ? wides[wide] : NULL;
}
