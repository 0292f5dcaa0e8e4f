// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macro.h"
#include "process/cgroups.h"

#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define POD  "11111111-2222-3333-4444-555555555555"
#define POD_ "11111111_2222_3333_4444_555555555555"

static void test_classify(void **state)
{
    static const struct {
        struct bytes path, id, runtime, pod;
    } rows[] = {
        {BYTES("/"), BYTES(""), BYTES(""), BYTES("")},
        {BYTES("/system.slice/ssh.service"), BYTES(""), BYTES(""), BYTES("")},
        {BYTES("/system.slice/docker-" HEX ".scope"), BYTES(HEX), BYTES("docker"), BYTES("")},
        {BYTES("/docker/" HEX), BYTES(HEX), BYTES("docker"), BYTES("")},
        {BYTES("/docker/" HEX "/init.scope"), BYTES(HEX), BYTES("docker"), BYTES("")},
        {BYTES("/machine.slice/libpod-" HEX ".scope/container"), BYTES(HEX), BYTES("podman"),
         BYTES("")},
        {BYTES("/machine.slice/libpod-conmon-" HEX ".scope"), BYTES(""), BYTES(""), BYTES("")},
        {BYTES("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" HEX ".scope"),
         BYTES(HEX), BYTES("podman"), BYTES("")},
        {BYTES("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
               ".slice/cri-containerd-" HEX ".scope"),
         BYTES(HEX), BYTES("containerd"), BYTES(POD)},
        {BYTES("/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" HEX ".scope"), BYTES(HEX),
         BYTES("crio"), BYTES(POD)},
        {BYTES("/kubepods.slice/kubepods-pod" POD_ ".slice/crio-conmon-" HEX ".scope"), BYTES(""),
         BYTES(""), BYTES("")},
        {BYTES("/kubepods/besteffort/pod" POD "/" HEX), BYTES(HEX), BYTES("kubepods"), BYTES(POD)},
        {BYTES("/default/" HEX), BYTES(HEX), BYTES("containerd"), BYTES("")},
        {BYTES("/lxc.payload.web/init.scope"), BYTES("web"), BYTES("lxc"), BYTES("")},
        {BYTES("/lxc/web"), BYTES("web"), BYTES("lxc"), BYTES("")},
        {BYTES("/lxc.monitor.web"), BYTES(""), BYTES(""), BYTES("")},
        {BYTES("/machine.slice/systemd-nspawn@deb.service/payload"), BYTES("deb"), BYTES("nspawn"),
         BYTES("")},
        {BYTES("/machine.slice/machine-deb.scope"), BYTES("deb"), BYTES("nspawn"), BYTES("")},
        {BYTES("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope"), BYTES(""), BYTES(""), BYTES("")},
        // 63 digits, capitals, nothing
        {BYTES("/system.slice/docker-" HEX "x.scope"), BYTES(""), BYTES(""), BYTES("")},
        {BYTES("/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"),
         BYTES(""), BYTES(""), BYTES("")},
        {BYTES("/lxc.payload."), BYTES(""), BYTES(""), BYTES("")},
        // What a container calls its own cgroups does not hide it, nor make it another one.
        {BYTES("/docker/" HEX "/docker-" HEX2 ".scope"), BYTES(HEX), BYTES("docker"), BYTES("")},
        {BYTES("/docker/" HEX "/libpod-conmon-" HEX2 ".scope"), BYTES(HEX), BYTES("docker"),
         BYTES("")},
    };
    char pod[POD_UID_LEN];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bytes id, runtime, uid;

        cgroup_classify(rows[i].path, pod, &id, &runtime, &uid);
        if (!bytes_equal(id, rows[i].id) || !bytes_equal(runtime, rows[i].runtime) ||
            !bytes_equal(uid, rows[i].pod))
            fail_msg("%s: '%.*s' '%.*s' '%.*s'", rows[i].path.s, (int)id.len, id.s,
                     (int)runtime.len, runtime.s, (int)uid.len, uid.s);
    }
}

static void test_by_path(void **state)
{
    _cleanup_(cgroups_freep) struct cgroups *c = NULL;
    struct cgroup *a, *b, *gone;
    char *dir = unit_mkdtemp();
    struct stat st;

    (void)state;
    assert_int_equal(mkdir_p(AT_FDCWD, unit_path(dir, "system.slice/x.service"), 0755), 0);
    assert_int_equal(stat(unit_path(dir, "system.slice/x.service"), &st), 0);
    assert_int_equal(cgroups_new(dir, &c), 0);
    assert_int_equal(cgroups_by_path(c, BYTES("/system.slice/x.service"), &a), 0);
    assert_true(a->id == st.st_ino);
    assert_int_equal(cgroups_by_id(c, st.st_ino, &b), 0);
    assert_ptr_equal(a, b);
    assert_true(bytes_equal(b->path, BYTES("/system.slice/x.service")));
    assert_int_equal(cgroups_by_path(c, BYTES("/not/there"), &gone), 0);
    assert_int_equal(gone->id, 0);
    assert_int_equal(cgroups_by_id(c, 0, &b), -ENOENT);
    assert_int_equal(cgroups_by_path(c, BYTES("relative"), &b), -EINVAL);
    assert_int_equal(cgroups_by_path(c, BYTES(""), &b), -EINVAL);
    cgroup_unref(a);
    cgroup_unref(a);
    cgroup_unref(gone);
    unit_rmdir(dir);
}

// More paths than are remembered: those in use stay valid, the rest goes.
static void test_bound(void **state)
{
    _cleanup_(cgroups_freep) struct cgroups *c = NULL;
    struct cgroup *kept, *other;
    char path[32];

    (void)state;
    assert_int_equal(cgroups_new("/nonexistent", &c), 0);
    assert_int_equal(cgroups_by_path(c, BYTES("/kept"), &kept), 0);
    for (int i = 0; i < 3 * CGROUPS_MAX; i++) {
        int len = snprintf(path, sizeof(path), "/g%d", i);

        assert_int_equal(cgroups_by_path(c, (struct bytes){path, (uint32_t)len}, &other), 0);
        cgroup_unref(other);
    }
    assert_true(bytes_equal(kept->path, BYTES("/kept")));
    assert_int_equal(cgroups_by_path(c, BYTES("/kept"), &other), 0);
    assert_ptr_equal(other, kept);
    cgroup_unref(other);
    cgroup_unref(kept);
}

// The kernel's own: the root cgroup by the number that its directory has.
static void test_by_handle(void **state)
{
    _cleanup_(cgroups_freep) struct cgroups *c = NULL;
    const char *root = access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) == 0
                           ? "/sys/fs/cgroup/unified"
                           : "/sys/fs/cgroup";
    struct cgroup *cgroup;
    struct stat st;

    (void)state;
    if (geteuid() != 0 || access(unit_path(root, "cgroup.controllers"), F_OK) < 0)
        skip();
    assert_int_equal(stat(root, &st), 0);
    assert_int_equal(cgroups_new(NULL, &c), 0);
    if (cgroups_by_id(c, st.st_ino, &cgroup) < 0)
        skip(); // no CAP_DAC_READ_SEARCH here
    assert_true(bytes_equal(cgroup->path, BYTES("/")));
    cgroup_unref(cgroup);
    assert_int_equal(cgroups_by_id(c, UINT64_MAX - 5, &cgroup), -ENOENT);
}

UNIT_MAIN(cmocka_unit_test(test_classify), cmocka_unit_test(test_by_path),
          cmocka_unit_test(test_bound), cmocka_unit_test(test_by_handle))
