// SPDX-License-Identifier: Apache-2.0
//
// `safeguard doctor`: what was found about this kernel.
#include "base/color.h"
#include "base/json.h"
#include "base/macro.h"
#include "cli/render.h"

int probe_verdict(const struct sensor_probe *p)
{
    if (p->can_enforce && p->attach == SENSOR_ATTACH_LSM)
        return 0;
    return p->can_enforce || p->can_record ? 1 : 2;
}

// Without privileges the kernel does not answer what matters.
static bool may_look(const struct sensor_probe *p)
{
    for (size_t i = 0; i < p->n_capabilities; i++)
        if (!p->capabilities[i].ok && streq(p->capabilities[i].id, "privilege"))
            return false;
    return true;
}

static const char *conclusion(const struct sensor_probe *p)
{
    static const char *const texts[] = {
        "can deny, by hooks of the security module interface",
        "can deny as it runs now, by fmod_ret programs; an active bpf security module is better",
        "records, but cannot be trusted to deny",
        "cannot protect this host as it runs now",
    };
    int verdict = probe_verdict(p);

    if (!may_look(p))
        return "cannot be judged by this user: run it as root";
    return texts[verdict == 2 ? 3 : verdict == 1 && !p->can_enforce ? 2 : verdict];
}

void render_probe(const struct sensor_probe *p, bool color, struct strbuf *sb)
{
    static const enum color colors[] = {COLOR_GREEN, COLOR_YELLOW, COLOR_RED};

    sb_printf(sb, "Linux %s (%s) %s%s%s\n", p->release, p->machine,
              color_seq(color, colors[probe_verdict(p)]), conclusion(p),
              color_seq(color, COLOR_RESET));
    for (size_t i = 0; i < p->n_capabilities; i++) {
        const struct sensor_capability *c = &p->capabilities[i];

        sb_printf(sb, "  %s%-4s%s%-16s",
                  color_seq(color, c->ok         ? COLOR_GREEN
                                   : c->required ? COLOR_RED
                                                 : COLOR_YELLOW),
                  c->ok ? "yes" : "no", color_seq(color, COLOR_RESET), c->id);
        put_escaped(sb, c->detail);
        sb_putc(sb, '\n');
        if (!c->ok && *c->cure) {
            sb_printf(sb, "  %-20sto do: ", "");
            put_escaped(sb, c->cure);
            sb_putc(sb, '\n');
        }
    }
}

void render_probe_json(const struct sensor_probe *p, struct strbuf *sb)
{
    static const char *const verdicts[] = {"fine", "degraded", "cannot protect"};
    struct jw jw;

    jw_init(&jw, sb);
    jw_begin_object(&jw);
    jw_kv_str(&jw, "verdict", verdicts[probe_verdict(p)]);
    jw_kv_str(&jw, "conclusion", conclusion(p));
    jw_kv_bool(&jw, "can_enforce", p->can_enforce);
    jw_kv_bool(&jw, "can_record", p->can_record);
    jw_kv_str(&jw, "attach", sensor_attach_name(p->attach));
    jw_kv_str(&jw, "preemption", sensor_preemption_name(p->preemption));
    jw_kv_str(&jw, "release", p->release);
    jw_kv_str(&jw, "machine", p->machine);
    jw_kv_str(&jw, "lsm", p->lsm);
    jw_kv_array(&jw, "capabilities");
    for (size_t i = 0; i < p->n_capabilities; i++) {
        const struct sensor_capability *c = &p->capabilities[i];

        jw_begin_object(&jw);
        jw_kv_str(&jw, "id", c->id);
        jw_kv_bool(&jw, "ok", c->ok);
        jw_kv_bool(&jw, "required", c->required);
        jw_kv_str(&jw, "detail", c->detail);
        jw_kv_str(&jw, "cure", *c->cure ? c->cure : NULL);
        jw_end_object(&jw);
    }
    jw_end_array(&jw);
    jw_end_object(&jw);
    sb_putc(sb, '\n');
}
