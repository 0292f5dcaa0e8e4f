// SPDX-License-Identifier: Apache-2.0
#include "policy/schedule.h"

#include <errno.h>
#include <string.h>

#include "policy/facts.h"
#include "policy/image_read.h"

bool policy_schedules(const struct policy_image *image)
{
    return policy_image_head(image)->controls & SG_BIT(SG_CONTROL_schedule);
}

int policy_schedule_of(const struct policy_image *image, const struct policy_facts *facts,
                       time_t when, uint16_t *ret_rule)
{
    const struct policy_query query = {.facts = *facts, .has_when = true, .when = when};
    const struct sg_image *h = policy_image_head(image);
    const struct sg_pred *preds = image_record(image, h->preds_off);
    const struct sg_entry *entries = image_record(image, h->entries_off);
    __u64 subjects[SG_SUBJECT_WORDS] = {};
    const struct sg_accept *accept;
    const struct sg_state *state;
    struct task_facts known;
    struct sg_view view;
    uint32_t s;
    int r;

    if (!policy_schedules(image))
        return -ENOENT;
    r = facts_init(image, &query, &known);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < image->n_subjects; i++)
        if (facts_subject(&known, i))
            subjects[i / 64] |= SG_BIT(i % 64);
    sg_view_of(h, &view);
    s = sg_step(image, &view, h->control_state[SG_CONTROL_schedule], SG_CONTROL_NUMBER(0));
    state = image_record(image, h->states_off + s * (uint32_t)sizeof(*state));
    accept = image_record(image, h->accepts_off + state->accept * (uint32_t)sizeof(*accept));
    for (uint32_t i = 0; i < accept->n_entries; i++) {
        const struct sg_entry *e = &entries[accept->entry + i];

        if (!(e->ops & SG_OP_CONTROL) || !sg_pred_holds(&preds[e->pred], subjects))
            continue;
        if (e->flags & SG_ENTRY_MONITOR)
            return -ENOENT;
        *ret_rule = e->rule;
        return 0;
    }
    return -ENOENT;
}
