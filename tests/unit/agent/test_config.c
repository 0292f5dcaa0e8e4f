// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "agent/config.h"
#include "base/fd.h"
#include "base/macro.h"

static int read_text(struct config *c, const char *text, struct policy_diags *diags)
{
    return config_read(c, "agent.yaml", text, strlen(text), diags);
}

static void test_defaults(void **state)
{
    struct config c;

    (void)state;
    assert_int_equal(config_init(&c), 0);
    assert_string_equal(c.policy_dir, "/etc/safeguard/policies");
    assert_int_equal(c.mode, CONFIG_MODE_POLICY);
    assert_int_equal(c.output, CONFIG_OUTPUT_FILE);
    assert_int_equal(c.log_level, CONFIG_LOG_INFO);
    assert_int_equal(c.rotate_size, 100u << 20);
    assert_int_equal(c.rotate_keep, 5);
    assert_false(c.degraded);
    config_done(&c);
}

static void test_file(void **state)
{
    struct policy_diags diags = {};
    struct config c;
    char buf[32];

    (void)state;
    assert_int_equal(config_init(&c), 0);
    assert_int_equal(read_text(&c,
                               "# settings\nmode: monitor\noutput: journal\nrotate_size: 64K\n"
                               "policy_dir: /srv/policies/\ndegraded: yes\nlog_level: debug\n",
                               &diags),
                     0);
    assert_int_equal(diags.n, 0);
    assert_int_equal(c.mode, CONFIG_MODE_MONITOR);
    assert_int_equal(c.output, CONFIG_OUTPUT_JOURNAL);
    assert_int_equal(c.rotate_size, 65536);
    assert_string_equal(c.policy_dir, "/srv/policies");
    assert_true(c.degraded);
    assert_string_equal(config_word(CONFIG_ID_mode, c.mode, buf, sizeof(buf)), "monitor");
    assert_string_equal(config_word(CONFIG_ID_log_level, c.log_level, buf, sizeof(buf)), "debug");
    config_done(&c);
}

static void test_server(void **state)
{
    struct error err = {};
    struct config c;

    (void)state;
    assert_int_equal(config_init(&c), 0);
    assert_string_equal(c.server_url, "");
    assert_string_equal(c.spool_dir, "/var/lib/safeguard/spool");
    assert_int_equal(c.spool_size, 1u << 30);
    assert_int_equal(c.spool_age, UINT64_C(7) * 24 * 3600 * 1000);
    assert_int_equal(config_set(&c, CONFIG_ID_server_url, "https://guard.example", &err), 0);
    assert_string_equal(c.server_url, "https://guard.example:8443");
    assert_int_equal(config_set(&c, CONFIG_ID_server_url, "http://guard.example", &err), -EINVAL);
    assert_non_null(strstr(err.expected, "https://"));
    assert_string_equal(c.server_url, "https://guard.example:8443");
    assert_int_equal(config_set(&c, CONFIG_ID_server_url, "", &err), 0);
    assert_string_equal(c.server_url, "");
    assert_int_equal(config_set(&c, CONFIG_ID_spool_age, "12h", &err), 0);
    assert_int_equal(c.spool_age, 12 * 3600 * 1000);
    assert_int_equal(config_set(&c, CONFIG_ID_spool_age, "7", &err), -EINVAL);
    assert_non_null(strstr(err.expected, "7d"));
    assert_int_equal(config_set(&c, CONFIG_ID_spool_age, "600w", &err), -EINVAL);
    config_done(&c);
}

static void test_empty_file(void **state)
{
    struct policy_diags diags = {};
    struct config c;

    (void)state;
    assert_int_equal(config_init(&c), 0);
    assert_int_equal(read_text(&c, "", &diags), 0);
    assert_int_equal(read_text(&c, "# nothing\n", &diags), 0);
    config_done(&c);
    policy_diags_done(&diags);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *what, *help;
        unsigned line, column;
    } rows[] = {
        {"polcy_dir: /x\n", "unknown key 'polcy_dir'", "did you mean 'policy_dir'?", 1, 1},
        {"\nmode: monitr\n", "'monitr' is not valid", "policy monitor", 2, 7},
        {"rotate_size: ten\n", "'ten' is not valid", "64K", 1, 14},
        {"rotate_keep: 1001\n", "'1001' is not valid", "1000", 1, 14},
        {"run_dir: run\n", "'run' is not valid", "absolute", 1, 10},
        {"run_dir: \"/run/a\\nb\"\n", "is not valid", "absolute", 1, 11},
        {"degraded: maybe\n", "'maybe' is not valid", "yes or no", 1, 11},
        {"mode: [monitor]\n", "a single value", "policy", 1, 7},
        {"- mode\n", "a map of settings", "", 1, 1},
        {"mode: monitor\nmode: policy\n", "", "", 2, 1},
        {"mode: {\n", "", "", 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct policy_diags diags = {};
        struct config c;

        assert_int_equal(config_init(&c), 0);
        assert_int_equal(read_text(&c, rows[i].text, &diags), -EINVAL);
        assert_true(diags.n_errors >= 1);
        assert_non_null(strstr(diags.items[0].message, rows[i].what));
        if (rows[i].column) {
            assert_int_equal(diags.items[0].line, rows[i].line);
            assert_int_equal(diags.items[0].column, rows[i].column);
        }
        if (*rows[i].help) {
            const char *help = diags.items[0].cure ? diags.items[0].cure : diags.items[0].expected;

            assert_non_null(help);
            assert_non_null(strstr(help, rows[i].help));
        }
        config_done(&c);
        policy_diags_done(&diags);
    }
}

// One run shows all mistakes, and the good settings count all the same.
static void test_all_mistakes_at_once(void **state)
{
    struct policy_diags diags = {};
    struct config c;

    (void)state;
    assert_int_equal(config_init(&c), 0);
    assert_int_equal(read_text(&c, "mode: x\nrotate_keep: 7\noutput: y\n", &diags), -EINVAL);
    assert_int_equal(diags.n_errors, 2);
    assert_int_equal(c.rotate_keep, 7);
    config_done(&c);
    policy_diags_done(&diags);
}

static void test_set(void **state)
{
    struct error err = {};
    struct config c;

    (void)state;
    assert_int_equal(config_init(&c), 0);
    assert_int_equal(config_set(&c, CONFIG_ID_output, "stdout", &err), 0);
    assert_int_equal(c.output, CONFIG_OUTPUT_STDOUT);
    assert_int_equal(config_set(&c, CONFIG_ID_output, "paper", &err), -EINVAL);
    assert_non_null(strstr(err.expected, "file stdout journal"));
    assert_int_equal(c.output, CONFIG_OUTPUT_STDOUT);
    config_done(&c);
}

static void test_options_follow_the_rows(void **state)
{
    struct option_row rows[CONFIG_ID_COUNT - 1];
    _cleanup_(sb_done) struct strbuf man = {};

    (void)state;
    config_option_rows(rows);
    config_man(&man);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(rows[i].id, i + 1);
        assert_non_null(strstr(sb_str(&man), rows[i].help));
    }
}

// What is shipped says what the defaults are.
static void test_shipped_file(void **state)
{
    _cleanup_free_ char *text = NULL;
    struct policy_diags diags = {};
    struct config shipped, defaults;
    size_t len;

    (void)state;
    assert_int_equal(read_file_bounded(AT_FDCWD, SOURCE_ROOT "/packaging/agent.yaml", 65536, &text,
                                       &len),
                     0);
    assert_int_equal(config_init(&shipped), 0);
    assert_int_equal(config_init(&defaults), 0);
    assert_int_equal(config_read(&shipped, "agent.yaml", text, len, &diags), 0);
    assert_string_equal(shipped.policy_dir, defaults.policy_dir);
    assert_string_equal(shipped.output_path, defaults.output_path);
    assert_int_equal(shipped.rotate_size, defaults.rotate_size);
    assert_int_equal(shipped.mode, defaults.mode);
    config_done(&shipped);
    config_done(&defaults);
}

UNIT_MAIN(cmocka_unit_test(test_defaults), cmocka_unit_test(test_file),
          cmocka_unit_test(test_server), cmocka_unit_test(test_empty_file),
          cmocka_unit_test(test_mistakes), cmocka_unit_test(test_all_mistakes_at_once),
          cmocka_unit_test(test_set), cmocka_unit_test(test_options_follow_the_rows),
          cmocka_unit_test(test_shipped_file))
