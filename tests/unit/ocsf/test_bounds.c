// SPDX-License-Identifier: Apache-2.0
//
// Records of any content and any size, and what is kept of processes.
#include "tests/unit/ocsf/reader.h"

// The largest record there can be: every text as long as it gets, and every byte escaped.
static void test_largest(void **state)
{
    static char text[2 * SG_PATH_BYTES_MAX];
    struct fixture *f = *state;
    struct bytes b = {text, sizeof(text)};

    memset(text, '\x01', sizeof(text));
    f->ev->path = f->ev->path2 = (struct event_path){b, EVENT_PATH_HOST};
    text[0] = '/';
    text[100] = '\xff'; // and the bytes in hexadecimal digits, too
    f->who.serial = 8;
    f->who.exe = f->who.cmdline = f->who.cgroup = b;
    f->who.n_ancestors = WHO_ANCESTORS_MAX;
    for (size_t i = 0; i < WHO_ANCESTORS_MAX; i++)
        f->who.ancestors[i] = (struct ancestor){{1, 1}, b, BYTES("x")};
    write_it(f);
    assert_true(f->line.len > 34 * sizeof(text) * 6);
    assert_int_equal(json_object_get_string_len(at(f, "file.path")), sizeof(text) + 2);
    assert_int_equal(json_object_array_length(at(f, "actor.process.ancestry")), 32);
}

static void test_prepared_parts(void **state)
{
    struct ocsf_counters c;
    struct fixture *f = *state;
    struct ocsf *small = NULL;

    write_it(f);
    write_it(f);
    ocsf_counters(f->o, &c);
    assert_int_equal(c.records, 2);
    assert_int_equal(c.built, 1);
    assert_int_equal(c.reused, 1);
    // Bounded in bytes, whatever comes.
    assert_int_equal(ocsf_new(&test_host, TEST_RUN, 20000, &small), 0);
    for (uint64_t i = 0; i < 5000; i++) {
        f->who.serial = 100 + i * 31;
        f->who.ref.tgid = (uint32_t)i + 1;
        sb_reset(&f->line);
        assert_int_equal(ocsf_write(small, f->ev, &f->line), 0);
        ocsf_counters(small, &c);
        assert_true(c.cached_bytes <= 20000);
    }
    assert_int_equal(c.built, 5000);
    (void)ocsf_free(small);
}

// Actor and target whose serials fall into one set, again and again with others.
static void test_two_parts_of_one_set(void **state)
{
    struct fixture *f = *state;

    f->ev->kind = EVENT_FORK;
    f->ev->child = (struct process_ref){5000, 130000000000};
    f->ev->target = &f->other;
    for (uint64_t i = 0; i < 20; i++) {
        f->who.serial = 5 + 512 * (2 * i);
        f->other.serial = 5 + 512 * (2 * i + 1);
        f->who.ref.tgid = (uint32_t)(10 + i);
        f->other.ref.tgid = (uint32_t)(1000 + i);
        write_it(f);
        assert_int_equal(number(f, "actor.process.pid"), 10 + (int)i);
        assert_int_equal(number(f, "process.pid"), 1000 + (int)i);
    }
}

static uint64_t seed = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % n;
}

static struct bytes random_bytes(char *buf, uint32_t max)
{
    uint32_t len = random_below(max + 1);

    for (uint32_t i = 0; i < len; i++)
        buf[i] = (char)(random_below(3) ? 'a' + random_below(26) : 1 + random_below(255));
    return (struct bytes){buf, len};
}

// Events of any content are valid JSON (and, read by validate.py, of the schema).
static void test_any_event(void **state)
{
    static char texts[12][300];
    struct rule_ref rule;
    struct fixture *f = *state;
    struct event *ev = f->ev;

    for (uint64_t i = 0; i < 1500; i++) {
        ev->kind = (enum event_kind)(EVENT_FILE + random_below(4));
        ev->hook = (enum sg_hook)random_below(SG_HOOK_COUNT);
        ev->access = (uint16_t)random_below(1u << SG_OP_COUNT);
        ev->flags = (uint16_t)random_below(1u << 16);
        ev->verdict = (enum sg_verdict)random_below(SG_KILL + 1);
        ev->mode = (enum event_mode)random_below(EVENT_MODE_COUNT);
        ev->outcome = (enum event_outcome)random_below(EVENT_OUTCOME_COUNT);
        ev->reason = (enum sg_reason)random_below(SG_REASON_COUNT);
        ev->ring = (uint8_t)random_below(EVENT_RING_COUNT);
        ev->error = random_below(200);
        ev->count = 1 + random_below(3);
        ev->rule_index = (uint16_t)random_below(1u << 16);
        ev->mode_bits = random_below(1u << 16);
        ev->nlink = random_below(4);
        ev->ino = random_below(3);
        ev->wait_status = random_below(1u << 16);
        ev->path = (struct event_path){random_bytes(texts[0], 299),
                                       (enum event_path_kind)random_below(EVENT_PATH_KIND_COUNT)};
        ev->path2 = (struct event_path){random_bytes(texts[1], 299),
                                        (enum event_path_kind)random_below(EVENT_PATH_KIND_COUNT)};
        ev->xattr = random_bytes(texts[2], 30);
        rule = (struct rule_ref){random_bytes(texts[3], 20), random_bytes(texts[4], 20),
                                 random_below(3), random_bytes(texts[5], 20)};
        ev->rule = random_below(2) ? &rule : NULL;
        ev->policy_id = (uint32_t)i + 10;
        f->who.serial = 1000 + i;
        f->who.exe = random_bytes(texts[6], 40);
        f->who.comm = random_bytes(texts[7], 16);
        f->who.user = random_bytes(texts[8], 10);
        f->who.container_id = random_bytes(texts[9], 10);
        f->who.session = (enum sg_session)random_below(SG_SESSION_COUNT);
        f->who.session_id = random_below(2) ? ID_NONE : random_below(9);
        f->who.incomplete = random_below(2);
        f->who.exe_deleted = random_below(2);
        f->who.exe_foreign = random_below(2);
        f->who.n_ancestors = random_below(4);
        ev->who = random_below(5) ? &f->who : NULL;
        ev->target = random_below(2) ? &f->other : NULL;
        write_it(f);
    }
}

// Two kinds that take turns, whatever they differ in.
static void test_kinds_take_turns(void **state)
{
    struct fixture *f = *state;
    struct ocsf_counters c;
    struct ocsf *o = NULL;

    for (int what = 0; what < 4; what++) {
        assert_int_equal(ocsf_new(&test_host, TEST_RUN, 0, &o), 0);
        for (int i = 0; i < 40; i++) {
            make_event(f->ev, &f->who);
            switch (i % 2 ? what : -1) {
            case 0: f->ev->dev = 7; break;
            case 1: f->ev->mode_bits = 0040755; break;
            case 2: f->ev->nlink = 2; break;
            case 3: f->ev->access = SG_OP_WRITE; break;
            default: break;
            }
            sb_reset(&f->line);
            assert_int_equal(ocsf_write(o, f->ev, &f->line), 0);
        }
        ocsf_counters(o, &c);
        assert_int_equal(c.copied, 36); // each is written out twice
        o = ocsf_free(o);
    }
}

// A record whose line was made from the one before says what it says when it is written out.
static void test_from_template(void **state)
{
    static const struct bytes paths[] = {
        BYTES("/etc/shadow"),   BYTES("/srv/a-longer-name/x"), BYTES("/x"), BYTES("/"),
        BYTES("/tmp/\"\n\xff"), BYTES("/a/b/c/d/e/f"),         BYTES(""),
    };
    const struct rule_ref rules[2] = {{BYTES("web"), BYTES("/p.yaml"), 7, BYTES("one")},
                                      {BYTES("web"), BYTES("/p.yaml"), 8, BYTES("two")}};
    _cleanup_(sb_done) struct strbuf alone = {};
    struct fixture *f = *state;
    struct event *ev = f->ev;
    struct ocsf_counters c;

    for (uint64_t i = 0; i < 20000; i++) {
        struct ocsf *fresh = NULL;

        // The file is another one; now and then something else is, too, and later what it was.
        ev->path.bytes = paths[random_below(ARRAY_SIZE(paths))];
        switch (random_below(250)) {
        case 0: ev->hook = random_below(2) ? SG_HOOK_file_open : SG_HOOK_inode_create; break;
        case 1: ev->access = random_below(2) ? SG_OP_READ : SG_OP_WRITE; break;
        case 2: ev->flags = random_below(2) ? SG_RECORD_KTHREAD : 0; break;
        case 3: ev->verdict = random_below(2) ? SG_DENY : SG_AUDIT; break;
        case 4: ev->mode = random_below(2) ? EVENT_MODE_MONITOR : EVENT_MODE_ENFORCE; break;
        case 5: ev->outcome = (enum event_outcome)random_below(EVENT_OUTCOME_COUNT); break;
        case 6: ev->reason = random_below(2) ? SG_REASON_DEPTH : SG_REASON_NONE; break;
        case 7: ev->error = random_below(2) ? EPERM : 0; break;
        case 8: ev->mode_bits = random_below(2) ? 0100644 : 0040755; break;
        case 9: ev->nlink = 1 + random_below(2); break;
        case 10: ev->dev = ev->dev2 = 1 + random_below(2); break;
        case 11: ev->rule_index = (uint16_t)random_below(2); break;
        case 12: ev->rule = random_below(2) ? &rules[ev->rule_index % 2] : NULL; break;
        case 13: ev->policy_id = 5 + random_below(2); break;
        case 14: ev->who = random_below(4) ? &f->who : random_below(2) ? &f->other : NULL; break;
        case 15: ev->process.tid = ev->process.ref.tgid + random_below(2); break;
        case 16: ev->process.comm[0] = (char)('a' + random_below(2)); break;
        case 17: ev->ring = (uint8_t)random_below(EVENT_RING_COUNT); break;
        case 18: ev->count = 1 + random_below(2); break;
        case 19: ev->access ^= SG_OP_IO; break;
        case 20: ev->reached_by = random_below(2) ? BYTES("/other") : (struct bytes){}; break;
        case 21:
            ev->path2.bytes = paths[1];
            ev->path2.kind = (enum event_path_kind)random_below(EVENT_PATH_KIND_COUNT);
            break;
        case 22: ev->xattr = random_below(2) ? BYTES("user.x") : (struct bytes){}; break;
        case 23: ev->kind = random_below(2) ? EVENT_FILE : EVENT_EXIT; break;
        case 24: ev->path.kind = (enum event_path_kind)random_below(EVENT_PATH_KIND_COUNT); break;
        case 25: ev->process.comm_len = (uint8_t)(2 + random_below(2)); break;
        case 26: ev->cpu = random_below(200); break;
        default: break;
        }
        ev->seq = random_below(9) ? i << random_below(40) : 0;
        ev->ino = random_below(9) << random_below(20);
        ev->realtime_ns = ev->first_realtime_ns = i << random_below(44);
        if (random_below(9) == 0) { // back to where most records are
            ev->kind = EVENT_FILE;
            ev->count = 1;
            ev->access &= SG_OP_READ | SG_OP_WRITE;
            ev->path2 = (struct event_path){};
            ev->reached_by = ev->xattr = (struct bytes){};
        }
        assert_int_equal(ocsf_new(&test_host, TEST_RUN, 0, &fresh), 0);
        sb_reset(&alone);
        sb_reset(&f->line);
        assert_int_equal(ocsf_write(fresh, ev, &alone), 0);
        assert_int_equal(ocsf_write(f->o, ev, &f->line), 0);
        assert_string_equal(sb_str(&f->line), sb_str(&alone));
        (void)ocsf_free(fresh);
    }
    ocsf_counters(f->o, &c);
    assert_int_equal(c.records, 20000);
    print_message("# %u of 20000 from a template\n", (unsigned)c.copied);
    assert_in_range(c.copied, 2000, 19000);
}

UNIT_MAIN(TEST(test_largest), TEST(test_prepared_parts), TEST(test_two_parts_of_one_set),
          TEST(test_any_event), TEST(test_kinds_take_turns), TEST(test_from_template))
