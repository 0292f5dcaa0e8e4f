// SPDX-License-Identifier: Apache-2.0
//
// The switch of the programs that watch credentials (bpf/cred.bpf.h). They work together or not at all: one that looks without
// those that see the legitimate changes would find what is none. So it is off while any of them comes or goes, and whatever
// happened to credentials meanwhile is taken as it is then.
#include "base/macro.h"
#include "sensor/internal.h"

// Both kernel and agent count: what is kept of tasks is of no use from here on.
static void forget(struct sensor *s)
{
    (void)__atomic_add_fetch(s->maps.words.cred_epoch, 1, __ATOMIC_SEQ_CST);
}

static bool is_one(const struct sensor *s, size_t i)
{
    const struct extra_row *row = extra_row(i);

    return row && i < ARRAY_SIZE(s->choices.extras) && row->feature & SENSOR_FEATURE_CREDENTIALS &&
           !s->choices.extras[i].needless;
}

// Is each of them attached, or another program that does the same?
static bool all_attached(const struct sensor *s)
{
    for (size_t i = 0; extra_row(i); i++) {
        const struct choice *within = choice_within(&s->choices, extra_row(i));

        if (is_one(s, i) && !links_of(&s->links, &s->choices.extras[i]) &&
            !(within && links_of(&s->links, within)))
            return false;
    }
    return true;
}

static bool any_of(const struct sensor *s, const struct links *added)
{
    for (size_t i = 0; extra_row(i); i++)
        if (is_one(s, i) && links_of(added, &s->choices.extras[i]))
            return true;
    return false;
}

void credentials_pause(struct sensor *s, const struct links *added)
{
    if (added && s->wants.features & SENSOR_FEATURE_CREDENTIALS && !any_of(s, added))
        return;
    if (s->maps.words.cred_mode)
        __atomic_store_n(s->maps.words.cred_mode, SENSOR_CREDENTIALS_OFF, __ATOMIC_SEQ_CST);
}

void credentials_resume(struct sensor *s)
{
    enum sensor_credentials mode = s->credentials;

    if (!(s->wants.features & SENSOR_FEATURE_CREDENTIALS) || !all_attached(s))
        mode = SENSOR_CREDENTIALS_OFF;
    if (__atomic_load_n(s->maps.words.cred_mode, __ATOMIC_SEQ_CST) == SENSOR_CREDENTIALS_OFF)
        forget(s);
    __atomic_store_n(s->maps.words.cred_mode, mode, __ATOMIC_SEQ_CST);
}

enum sensor_credentials credentials_now(const struct sensor *s)
{
    return (enum sensor_credentials)__atomic_load_n(s->maps.words.cred_mode, __ATOMIC_SEQ_CST);
}
