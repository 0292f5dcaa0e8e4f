// SPDX-License-Identifier: Apache-2.0
//
// What a scan for files with several names found counts, whatever becomes of the file that their names are kept in.
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/agent.h"
#include "base/fd.h"
#include "base/macro.h"

#define WAIT_MS 20000

static unsigned n_pinned, n_descriptor_scans;

void __wrap_descriptors_scan(struct agent *a);
void __wrap_descriptors_scan(struct agent *a)
{
    (void)a;
    n_descriptor_scans++;
}

int sensor_pin_object(struct sensor *s, const struct sensor_object *object)
{
    (void)s;
    assert_int_not_equal(object->state, 0);
    n_pinned++;
    return 0;
}

struct bench {
    struct agent *agent;
    struct loaded loaded;
    struct mount_view view;
    char *dir;
};

static void open_bench(struct bench *b)
{
    _cleanup_(sb_done) struct strbuf sb = {};
    struct policy_diags diags = {};
    char other[4096], *dir;
    int fd;

    n_pinned = n_descriptor_scans = 0;
    *b = (struct bench){.agent = calloc(1, sizeof(*b->agent)), .dir = unit_mkdtemp()};
    assert_non_null(b->agent);
    dir = realpath(b->dir, NULL);
    free(b->dir);
    b->dir = dir;
    fd = open(unit_path(dir, "one"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(link(unit_path(dir, "one"), unit_path_in(other, sizeof(other), dir, "two")),
                     0);
    sb_printf(
        &sb, "safeguard: 1\nmode: enforce\nfiles:\n  - {path: \"%s/**\", access: read, do: deny}\n",
        dir);
    assert_int_equal(policy_load_buffer("test", sb_str(&sb), sb.len, NULL, &diags,
                                        &b->loaded.policy),
                     0);
    assert_int_equal(mount_view_read("/proc/self/mountinfo", &b->view), 0);
    assert_int_equal(policy_compile(b->loaded.policy, b->view.all, NULL, &diags, &b->loaded.image),
                     0);
    policy_diags_done(&diags);
    b->loaded.refs = 1;
    b->agent->policies.now = &b->loaded;
    b->agent->config.run_dir = (char *)"/run/none";
    assert_int_equal(loop_new(&b->agent->loop), 0);
    assert_int_equal(worker_new(b->agent->loop, "scanner", 4, false, &b->agent->scanner), 0);
}

static void close_bench(struct bench *b)
{
    worker_free(b->agent->scanner);
    loop_free(b->agent->loop);
    assert_int_equal(b->loaded.refs, 1);
    policy_image_free(b->loaded.image);
    policy_free(b->loaded.policy);
    mount_view_done(&b->view);
    sb_done(&b->agent->links.known);
    object_names_done(&b->agent->links.names);
    free(b->agent->linked_path);
    free(b->agent);
    unit_rmdir(b->dir);
}

static void scan(struct bench *b, const char *linked_path)
{
    free(b->agent->linked_path);
    assert_true(asprintf(&b->agent->linked_path, "%s/%s", b->dir, linked_path) > 0);
    links_scan(b->agent);
    assert_true(b->agent->links.running);
    while (b->agent->links.running)
        assert_true(loop_run_once(b->agent->loop, WAIT_MS) > 0);
}

static unsigned n_names(const struct bench *b)
{
    struct stat st;
    unsigned n = 0;
    size_t at = 0;

    assert_int_equal(stat(unit_path(b->dir, "one"), &st), 0);
    while (object_names_next(&b->agent->links.names, policy_dev(major(st.st_dev), minor(st.st_dev)),
                             st.st_ino, &at))
        n++;
    return n;
}

static void test_the_names_cannot_be_kept(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    scan(&b, "one/linked-files"); // "one" is no directory
    assert_int_equal(n_pinned, 2);
    assert_int_equal(b.agent->links.pinned, 2);
    assert_int_equal(n_names(&b), 2);
    assert_int_equal(n_descriptor_scans, 1); // by these names something may be open
    assert_null(b.agent->links.incomplete);
    assert_int_equal(b.agent->links.saved, -ENOTDIR);
    scan(&b, "linked-files");
    assert_int_equal(b.agent->links.saved, 0);
    assert_int_equal(access(b.agent->linked_path, R_OK), 0);
    close_bench(&b);
}

UNIT_MAIN(cmocka_unit_test(test_the_names_cannot_be_kept))
