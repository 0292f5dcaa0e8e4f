// SPDX-License-Identifier: Apache-2.0
#include "model/dns.h"

#include "base/macro.h"

// Those that people meet (IANA, Resource Record TYPEs).
static const struct {
    uint16_t type;
    const char *name;
} types[] = {
    {1, "A"},      {2, "NS"},    {5, "CNAME"},  {6, "SOA"},    {12, "PTR"},  {13, "HINFO"},
    {15, "MX"},    {16, "TXT"},  {28, "AAAA"},  {29, "LOC"},   {33, "SRV"},  {35, "NAPTR"},
    {39, "DNAME"}, {43, "DS"},   {44, "SSHFP"}, {46, "RRSIG"}, {47, "NSEC"}, {48, "DNSKEY"},
    {50, "NSEC3"}, {52, "TLSA"}, {64, "SVCB"},  {65, "HTTPS"}, {99, "SPF"},  {251, "IXFR"},
    {252, "AXFR"}, {255, "ANY"}, {257, "CAA"},
};

static const char *const rcodes[] = {
    "NoError",  "FormError", "ServError", "NXDomain", "NotImp",  "Refused",
    "YXDomain", "YXRRSet",   "NXRRSet",   "NotAuth",  "NotZone", "DSOTYPENI",
};

static const char *const reasons[] = {
    [SG_DNS_FINE] = "none",
    [SG_DNS_SHORT] = "short",
    [SG_DNS_LONG] = "long",
    [SG_DNS_OPCODE_OTHER] = "opcode",
    [SG_DNS_QUESTIONS] = "questions",
    [SG_DNS_CLASS] = "class",
    [SG_DNS_CUT] = "cut",
    [SG_DNS_LABEL] = "label",
    [SG_DNS_POINTER] = "pointer",
    [SG_DNS_POINTERS] = "pointers",
    [SG_DNS_NAME_LONG] = "name_long",
    [SG_DNS_DATA] = "data",
    [SG_DNS_CHAIN] = "chain",
};
STATIC_ASSERT(ARRAY_SIZE(reasons) == SG_DNS_REASONS, "a word for every reason");

const char *dns_type_name(uint16_t type)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}

const char *dns_rcode_name(uint16_t rcode)
{
    return rcode < ARRAY_SIZE(rcodes) ? rcodes[rcode] : NULL;
}

const char *dns_reason_name(enum sg_dns_reason reason)
{
    return (unsigned)reason < ARRAY_SIZE(reasons) ? reasons[reason] : NULL;
}
