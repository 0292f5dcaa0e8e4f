// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include "base/macro.h"
#include "model/event.h"
#include "model/secrets.h"

// '|' stands for the NUL behind an argument.
struct row {
    const char *before, *after;
};

static void check(const struct row *row, uint32_t (*mask)(char *, uint32_t))
{
    char text[256];
    uint32_t len = (uint32_t)strlen(row->before);

    memcpy(text, row->before, len);
    for (uint32_t i = 0; i < len; i++)
        text[i] = text[i] == '|' ? '\0' : text[i];
    len = mask(text, len);
    for (uint32_t i = 0; i < len; i++)
        text[i] = text[i] ? text[i] : '|';
    text[len] = '\0';
    assert_string_equal(text, row->after);
}

static const struct row args[] = {
    {"", ""},
    {"ls|-l|/etc|", "ls|-l|/etc|"},
    {"x|--password=hunter2|-v|", "x|--password=***|-v|"},
    {"x|--db-password=a b|-v|", "x|--db-password=***|-v|"},
    {"x|--PassWord|hunter2|-v|", "x|--PassWord|***|-v|"},
    {"x|--api-key|k|", "x|--api-key|*|"},
    {"x|--token|--secret|s3cr3t|", "x|--token|--secret|***|"},
    {"x|--token", "x|--token"},
    {"x|--token|cut", "x|--token|***"},
    {"curl|-d|user=a&password=bcde&x=1|", "curl|-d|user=a&password=***&x=1|"},
    {"sh|-c|mysql --password=hunter2 -e 'select 1'|", "sh|-c|mysql --password=*** -e 'select 1'|"},
    {"sh|-c|env PGPASSWORD=hunter2 psql|", "sh|-c|env PGPASSWORD=*** psql|"},
    {"x|{\"secret\": \"a b\", \"n\": \"1\"}|", "x|{\"secret\": \"***\", \"n\": \"1\"}|"},
    {"x|{'token':'abcd'}|", "x|{'token':'***'}|"},
    {"git|clone|https://ann:hunter2@host/x:y|", "git|clone|https://ann:***@host/x:y|"},
    {"git|clone|https://ann@host/x|", "git|clone|https://ann@host/x|"},
    {"x|https://ann:a@b@host|", "x|https://ann:***@host|"},
    {"x|http://host:8080/?token=abcd&y=2|", "x|http://host:8080/?token=***&y=2|"},
    {"curl|-H|Authorization: Bearer a.b.c|", "curl|-H|Authorization: ***|"},
    {"curl -H 'Authorization: Bearer a.b.c' u|", "curl -H 'Authorization: ***' u|"},
    {"x|-p|8080:80|--name=password|", "x|-p|8080:80|--name=password|"},
    {"x|tokens=5|keyboard=us|", "x|tokens=5|keyboard=us|"},
    {"x|password=|y|", "x|password=|y|"},
    {"=|:|://|:///@|", "=|:|://|:///@|"},
    {"x|--token||y|", "x|--token||y|"},
};

static const struct row envs[] = {
    {"SSH_CONNECTION=1.2.3.4 5 6.7.8.9 22|", "SSH_CONNECTION=1.2.3.4 5 6.7.8.9 22|"},
    {"LD_PRELOAD=/tmp/token=x.so|DB_TOKEN=abcd|", "LD_PRELOAD=/tmp/token=x.so|DB_TOKEN=***|"},
    {"LD_TOKEN=abcd|", "LD_TOKEN=abcd|"},
    {"AWS_SECRET_ACCESS_KEY=a b c|X=1|", "AWS_SECRET_ACCESS_KEY=***|X=1|"},
    {"--token|X=1|", "--token|X=1|"},
    {"PASSWORD=cut", "PASSWORD=***"},
};

static void test_args(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(args); i++)
        check(&args[i], secrets_mask_args);
}

static void test_env(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(envs); i++)
        check(&envs[i], secrets_mask_env);
}

static void test_event(void **state)
{
    static const char arguments[] = "a\0--token=abcd", variables[] = "TOKEN=abcd";
    _cleanup_(event_freep) struct event *ev = NULL;
    char *text;

    (void)state;
    assert_int_equal(event_new(&ev), 0);
    secrets_mask_event(ev); // nothing there
    text = event_alloc(ev, sizeof(arguments));
    memcpy(text, arguments, sizeof(arguments));
    ev->args = (struct bytes){text, sizeof(arguments)};
    text = event_alloc(ev, sizeof(variables));
    memcpy(text, variables, sizeof(variables));
    ev->launch.env = (struct bytes){text, sizeof(variables)};
    secrets_mask_event(ev);
    assert_true(bytes_equal(ev->args, ((struct bytes){"a\0--token=***", 14})));
    assert_true(bytes_equal(ev->launch.env, ((struct bytes){"TOKEN=***", 10})));
}

UNIT_MAIN(cmocka_unit_test(test_args), cmocka_unit_test(test_env), cmocka_unit_test(test_event))
