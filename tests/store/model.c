// SPDX-License-Identifier: Apache-2.0
#include "tests/store/model.h"

#define START_MS UINT64_C(1764115000000)

static const char *const rules[] = {"shadow", "ssh-keys", "web", NULL, "shadow2", "r\"q"};
static const char *const policies[] = {"web-host", NULL, "base"};
static const char *const users[] = {"root", "ann", "bob", NULL, "j\xc3\xb6rg"};
static const char *const programs[] = {"/usr/bin/cat", "/usr/sbin/nginx", "/bin/sh", NULL,
                                       "/usr/bin/cat2"};
static const char *const paths[] = {"/etc/shadow", "/etc/ssh/sshd_config",
                                    "/etc/ssh",    "/home/ann/.ssh/id",
                                    "/root/a*b",   NULL,
                                    "/",           "relative/path"};
static const char *const messages[] = {"opened the file", "was not allowed to open /etc/shadow",
                                       "Killed while reading 10.0.0.1", NULL,
                                       "said \"hello\" to j\xc3\xb6rg"};
static const char *const words[] = {"OPENED",   "allowed",           "/etc/shadow",
                                    "10.0.0.1", "nothing-like-that", "hello",
                                    "kill*",    "j\xc3\xb6rg"};

static const char *const processes[] = {"b:1:1", "b:7:100", "b:7:200", NULL, "b:9:1", "c:7:100"};
static const char *const sessions[] = {"3", NULL, "44"};
static const char *const containers[] = {NULL, NULL, "0a1b2c", "b:7:100"};
static const char *const command_lines[] = {"/bin/sh -c 'curl http://x'", "id", NULL,
                                            "tar cf secret.tgz /etc"};
static const char *const command_words[] = {"curl", "tar secret.tgz", "-c", "nowhere", "ID"};

uint64_t model_random(struct model *m, uint64_t below)
{
    uint64_t z = (m->seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

#define PICK(m, list) (list)[model_random((m), ARRAY_SIZE(list))]

const char *model_host(unsigned i)
{
    static const char *const hosts[MODEL_HOSTS] = {"host-0", "host-1", "host-2", "host-3",
                                                   "host-4"};

    return hosts[i];
}

static void random_record(struct model *m, struct made_record *r, uint64_t time_ms)
{
    static const unsigned classes[] = {1001, 1007, 1001};

    r->time_ms = time_ms;
    r->count = model_random(m, 10) == 0 ? 1 + model_random(m, 1000) : 1;
    r->class_uid = PICK(m, classes);
    r->activity = 1 + (unsigned)model_random(m, 14);
    r->severity = (unsigned)model_random(m, 7);
    r->outcome = (enum store_outcome)model_random(m, STORE_OUTCOMES);
    r->rule = PICK(m, rules);
    r->policy = PICK(m, policies);
    r->user = PICK(m, users);
    r->program = PICK(m, programs);
    r->path = PICK(m, paths);
    r->message = PICK(m, messages);
    r->process = PICK(m, processes);
    r->parent = PICK(m, processes);
    r->run_user = PICK(m, users);
    r->session = PICK(m, sessions);
    r->container = PICK(m, containers);
    r->target = r->class_uid == 1007 ? PICK(m, processes) : NULL;
    r->target_parent = PICK(m, processes);
    r->cmd_line = PICK(m, command_lines);
    r->launch = r->target ? 2 + (unsigned)model_random(m, 3) : 0;
    r->exec_asked = model_random(m, 10) == 0;
}

static void append_batch(struct model *m, struct fixture *f, size_t n)
{
    unsigned host = (unsigned)model_random(m, MODEL_HOSTS),
             stream = host * 2 + (unsigned)model_random(m, 2);
    // Host 4 has a clock of its own, host 3 sends what it kept for hours.
    uint64_t time_ms = START_MS + m->n * 37 + (host == 4 ? UINT64_C(90000000) : 0), first = 1;
    _cleanup_(sb_done) struct strbuf text = {};
    struct store_appended a;
    struct one_batch b;

    for (size_t i = 0; i < m->n; i++)
        if (m->records[i].host == host && m->records[i].class == stream % 2)
            first = m->records[i].number + 1;
    for (size_t i = 0; i < n; i++) {
        struct made_record *r = &m->records[m->n];

        random_record(m, r, time_ms);
        r->host = host;
        r->class = (enum stream_class)(stream % 2);
        r->number = first + i;
        made_json(r, &text);
        time_ms += host == 3 ? model_random(m, 8000) : model_random(m, 20);
        time_ms -= model_random(m, 10) == 0 ? model_random(m, 30) : 0;
        m->n++;
    }
    batch_of(&b, model_host(host), stream, first, text.s);
    b.batch.class = (enum stream_class)(stream % 2);
    b.batch.received_ms = f->now_ms;
    f->now_ms += model_random(m, 20) == 0 ? UINT64_C(20000000) : 1000;
    assert_int_equal(store_append(f->st, &b.batch, &a, &f->err), 0);
    assert_int_equal(a.n_stored, n);
    assert_int_equal(a.n_unreadable, 0);
}

void model_append(struct model *m, struct fixture *f, size_t n)
{
    while (n > 0) {
        size_t some = MIN(n, 1 + model_random(m, 60));

        append_batch(m, f, some);
        n -= some;
    }
}

struct made_record *model_find(struct model *m, const char *host, const struct stream_id *stream,
                               uint64_t number)
{
    for (size_t i = 0; i < m->n; i++) {
        struct stream_id id = stream_of(m->records[i].host * 2 + m->records[i].class);

        if (m->records[i].number == number && streq(model_host(m->records[i].host), host) &&
            stream_id_equal(&id, stream))
            return &m->records[i];
    }
    return NULL;
}

// ---- filters

static const char *const *some_of(struct model *m, const char *const *from, size_t n,
                                  const char *to[3])
{
    size_t many = model_random(m, 3);

    for (size_t i = 0; i < many; i++)
        to[i] = from[model_random(m, n)];
    return many ? to : NULL;
}

// What is not wanted.
static void model_not(struct model *m, struct model_filter *f)
{
    static const char *const texts[5][5] = {
        {"shadow", "shadow*", "r\"q", "none", ""},
        {"web-host", "b*", "", "x", "w*"},
        {"root", "a*", "j\xc3\xb6rg", "", "nobody"},
        {"/usr/bin/cat", "/usr/bin/*", "/usr/sbin/*", "", "/usr/bin/ca*"},
        {"/etc/shadow", "/etc/ssh/*", "/root/a*b", "rel*", ""},
    };
    const char *const *lists[5];

    for (size_t i = 0; i < 5; i++)
        lists[i] = some_of(m, texts[i], 5, f->not_texts[i]);
    f->f.not_rules = lists[0];
    f->f.not_policies = lists[1];
    f->f.not_users = lists[2];
    f->f.not_programs = lists[3];
    f->f.not_paths = lists[4];
    f->not_classes[0] = model_random(m, 2) ? 1001 : 1007;
    f->f.not_classes = f->not_classes;
    f->f.n_not_classes = model_random(m, 4) == 0;
}

static void model_marks(struct model *m, struct model_filter *f)
{
    static const char *const launches[] = {"exec", "fork"};
    static const struct {
        enum store_mark mark;
        const char *const *values;
        size_t n;
    } rows[] = {
        {STORE_MARK_PROCESS, processes, ARRAY_SIZE(processes)},
        {STORE_MARK_PARENT, processes, ARRAY_SIZE(processes)},
        {STORE_MARK_RUN_USER, users, ARRAY_SIZE(users)},
        {STORE_MARK_SESSION, sessions, ARRAY_SIZE(sessions)},
        {STORE_MARK_CONTAINER, containers, ARRAY_SIZE(containers)},
        {STORE_MARK_LAUNCH, launches, ARRAY_SIZE(launches)},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned n = 0;

        if (model_random(m, 3) > 0)
            continue;
        for (uint64_t k = 1 + model_random(m, 2); k > 0; k--) {
            const char *value = rows[i].values[model_random(m, rows[i].n)];

            f->marks[rows[i].mark][n] = value;
            n += value != NULL;
        }
        f->f.marks[rows[i].mark] = f->marks[rows[i].mark];
    }
    if (model_random(m, 4) == 0)
        f->f.cmd_line = f->cmd_word = PICK(m, command_words);
}

void model_filter(struct model *m, struct model_filter *f)
{
    *f = (struct model_filter){};
    if (model_random(m, 3) == 0)
        f->f.from_ms = m->records[model_random(m, m->n)].time_ms;
    if (model_random(m, 3) == 0)
        f->f.to_ms = f->f.from_ms ? f->f.from_ms + 1 + model_random(m, 60000)
                                  : m->records[model_random(m, m->n)].time_ms;
    if (model_random(m, 3) == 0) {
        f->f.n_hosts = 1 + model_random(m, 2);
        for (size_t i = 0; i < f->f.n_hosts; i++)
            f->hosts[i] = model_host((unsigned)model_random(m, MODEL_HOSTS));
    }
    if (model_random(m, 5) == 0)
        f->f.class_uid = model_random(m, 2) ? 1001 : 1007;
    if (model_random(m, 8) == 0) {
        f->f.n_classes = 1 + model_random(m, 2);
        f->classes[0] = model_random(m, 2) ? 1001 : 5;
        f->classes[1] = 1007;
    }
    if (model_random(m, 8) == 0)
        f->f.activity = 1 + (unsigned)model_random(m, 14);
    if (model_random(m, 5) == 0)
        f->f.severity_min = (unsigned)model_random(m, 8);
    if (model_random(m, 4) == 0)
        f->f.outcomes = (unsigned)model_random(m, 1u << STORE_OUTCOMES);
    if (model_random(m, 6) == 0)
        f->f.streams = 1 + (unsigned)model_random(m, 3);
    if (model_random(m, 5) == 0)
        f->f.rule = PICK(m, ((const char *const[]){"shadow", "shadow*", "r\"q", "none", "", "*"}));
    if (model_random(m, 8) == 0)
        f->f.policy = PICK(m, ((const char *const[]){"web-host", "b*", ""}));
    if (model_random(m, 5) == 0)
        f->f.user = PICK(m, ((const char *const[]){"root", "a*", "j\xc3\xb6rg", ""}));
    if (model_random(m, 6) == 0)
        f->f.program = PICK(m, ((const char *const[]){"/usr/bin/cat", "/usr/bin/*", "/usr/*", "/*",
                                                      "/usr/bin/ca*"}));
    if (model_random(m, 5) == 0)
        f->f.path = PICK(m, ((const char *const[]){"/etc/shadow", "/etc/*", "/etc/ssh*",
                                                   "/etc/ssh/*", "/root/a*b", "rel*", "/", ""}));
    if (model_random(m, 4) == 0) {
        f->word = PICK(m, words);
        (void)snprintf(f->text, sizeof(f->text), "%s", f->word);
        f->f.text = f->text;
    }
    f->f.hosts = f->hosts;
    f->f.classes = f->classes;
    if (model_random(m, 4) == 0)
        model_not(m, f);
    if (model_random(m, 3) == 0)
        model_marks(m, f);
    // These are counted in tables, too.
    if (model_random(m, 5) == 0)
        f->f.not_outcomes = (unsigned)model_random(m, 1u << STORE_OUTCOMES);
    if (model_random(m, 6) == 0) {
        f->not_hosts[0] = model_host((unsigned)model_random(m, MODEL_HOSTS));
        f->not_hosts[1] = model_host((unsigned)model_random(m, MODEL_HOSTS));
        f->f.not_hosts = f->not_hosts;
    }
}

static bool fits(const char *pattern, const char *s)
{
    size_t len;

    if (!pattern)
        return true;
    s = strempty(s);
    len = strlen(pattern);
    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(pattern, s, len - 1) == 0;
    return streq(pattern, s);
}

// By what is known of the strings above, not by what the store does.
static bool says(const char *word, const struct made_record *r)
{
    const char *all[] = {r->message, r->path,    r->rule,     r->policy,
                         r->user,    r->program, r->run_user, r->target ? r->cmd_line : NULL};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (!all[i])
            continue;
        if (streq(word, "kill*") ? strcasestr(all[i], "killed") != NULL
                                 : strcasestr(all[i], word) != NULL)
            return true;
    }
    return false;
}

static bool any_fits(const char *const *patterns, const char *s)
{
    for (size_t i = 0; patterns && patterns[i]; i++)
        if (fits(patterns[i], s))
            return true;
    return false;
}

static bool is_unwanted(const struct store_filter *f, const struct made_record *r)
{
    return any_fits(f->not_hosts, model_host(r->host)) || any_fits(f->not_rules, r->rule) ||
           any_fits(f->not_policies, r->policy) || any_fits(f->not_users, r->user) ||
           any_fits(f->not_programs, r->program) || any_fits(f->not_paths, r->path) ||
           (f->n_not_classes && f->not_classes[0] == r->class_uid) ||
           f->not_outcomes & 1u << r->outcome;
}

static bool one_of(const char *const *values, const char *a, const char *b)
{
    for (size_t i = 0; values[i]; i++)
        if ((a && streq(values[i], a)) || (b && streq(values[i], b)))
            return true;
    return !values[0];
}

// The path counts as well: of the program where there is no command line.
static bool has_cmd_word(const char *word, const struct made_record *r)
{
    const char *cmd = r->target ? strempty(r->cmd_line) : "";

    if (streq(word, "tar secret.tgz"))
        return strstr(cmd, "tar ") != NULL;
    return strcasestr(cmd, word) != NULL || strcasestr(strempty(r->path), word) != NULL;
}

static bool has_marks(const struct model_filter *w, const struct made_record *r)
{
    bool exec = r->launch == 3 || (r->exec_asked && r->outcome == STORE_DENIED);

    return one_of(w->marks[STORE_MARK_PROCESS], r->process, r->target) &&
           one_of(w->marks[STORE_MARK_PARENT], r->parent, r->target ? r->target_parent : NULL) &&
           one_of(w->marks[STORE_MARK_RUN_USER], r->run_user, NULL) &&
           one_of(w->marks[STORE_MARK_SESSION], r->session, NULL) &&
           one_of(w->marks[STORE_MARK_CONTAINER], r->container, NULL) &&
           one_of(w->marks[STORE_MARK_LAUNCH],
                  exec             ? "exec"
                  : r->launch == 2 ? "fork"
                                   : NULL,
                  NULL) &&
           (!w->cmd_word || has_cmd_word(w->cmd_word, r));
}

bool model_matches(const struct model_filter *w, const struct made_record *r)
{
    const struct store_filter *f = &w->f;
    bool host = f->n_hosts == 0, class = f->n_classes == 0;

    for (size_t i = 0; i < f->n_hosts; i++)
        host |= streq(w->hosts[i], model_host(r->host));
    for (size_t i = 0; i < f->n_classes; i++)
        class |= w->classes[i] == r->class_uid;
    return host && class && r->time_ms >= f->from_ms && (!f->to_ms || r->time_ms < f->to_ms) &&
           (!f->class_uid || f->class_uid == r->class_uid) &&
           (!f->activity || f->activity == r->activity) && r->severity >= f->severity_min &&
           (!f->outcomes || f->outcomes & 1u << r->outcome) &&
           (!f->streams || f->streams & 1u << r->class) && fits(f->rule, r->rule) &&
           fits(f->policy, r->policy) && fits(f->user, r->user) && fits(f->program, r->program) &&
           fits(f->path, r->path) && !is_unwanted(f, r) && (!w->word || says(w->word, r)) &&
           has_marks(w, r);
}
