// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT       "/root"
#define COPY_CHUNK (1U << 20)

struct mount_row {
    const char *type;
    const char *where;
    unsigned long flags;
    const char *data;
    bool optional; // a kernel may lack it
};

static void mount_rows(const struct mount_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)mkdir(rows[i].where, 0755);
        if (mount(rows[i].type, rows[i].where, rows[i].type, rows[i].flags, rows[i].data) < 0 &&
            !rows[i].optional)
            fail("cannot mount %s on %s", rows[i].type, rows[i].where);
    }
}

void early_mounts(void)
{
    static const struct mount_row rows[] = {
        {"devtmpfs", "/dev", 0, NULL, false},
        {"proc", "/proc", 0, NULL, false},
        {"sysfs", "/sys", 0, NULL, false},
    };

    mount_rows(rows, sizeof(rows) / sizeof(rows[0]));

    int console = open("/dev/console", O_RDWR);
    for (int fd = 0; console >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(console, fd);
    if (console > STDERR_FILENO)
        (void)close(console);
}

// One module a line: its file, a blank, its parameters. The order is the host's.
void load_modules(const char *list)
{
    char line[512];
    FILE *f = fopen(list, "re");

    if (!f)
        fail("cannot read %s", list);
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        char *parameters = strchr(line, ' ');
        if (parameters)
            *parameters++ = '\0';

        int fd = open(line, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            fail("cannot open the module %s", line);
        if (syscall(SYS_finit_module, fd, parameters ? parameters : "", 0) < 0 && errno != EEXIST)
            fail("cannot load the module %s", line);
        (void)close(fd);
    }
    (void)fclose(f);
}

// Waits for a device node; the kernel makes it in its own time after the driver is loaded.
void await_device(const char *path)
{
    int watch = inotify_init1(IN_CLOEXEC);

    if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE) < 0)
        fail("cannot watch /dev");
    while (access(path, F_OK) < 0) {
        struct pollfd p = {.fd = watch, .events = POLLIN};
        char events[4096];
        if (poll(&p, 1, 20000) <= 0) {
            errno = ENODEV;
            fail("the device %s did not appear within 20 s", path);
        }
        (void)!read(watch, events, sizeof(events));
    }
    (void)close(watch);
}

// Reads a whole file of the initramfs; the buffer lives as long as the guest.
static char *slurp(const char *path, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        fail("cannot read %s", path);
    char *text = calloc(1, (size_t)st.st_size + 1);
    if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
        fail("cannot read %s", path);
    (void)close(fd);
    *ret_size = (size_t)st.st_size;
    return text;
}

// A file of strings, each ended by a zero byte, as a vector.
static char **read_vector(const char *path)
{
    size_t size, count = 0;
    char *text = slurp(path, &size);

    for (size_t i = 0; i < size; i++)
        count += text[i] == '\0';
    char **vector = calloc(count + 1, sizeof(*vector));
    if (!vector)
        fail("out of memory for %s", path);
    for (size_t i = 0; i < count; i++) {
        vector[i] = text;
        text += strlen(text) + 1;
    }
    return vector;
}

void read_options(struct options *ret)
{
    struct {
        const char *name;
        unsigned value;
    } rows[] = {{"tty", 0},  {"memory_root", 0}, {"collect", 0}, {"systemd", 0},
                {"rows", 0}, {"columns", 0},     {"network", 0}};
    char line[128];
    FILE *f = fopen("/sg/options", "re");

    if (!f)
        fail("cannot read /sg/options");
    while (fgets(line, sizeof(line), f)) {
        char *value = strchr(line, '=');
        if (!value)
            continue;
        *value++ = '\0';
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            if (strcmp(rows[i].name, line) == 0)
                rows[i].value = (unsigned)strtoul(value, NULL, 10);
    }
    (void)fclose(f);

    *ret = (struct options){
        .tty = rows[0].value,
        .memory_root = rows[1].value,
        .collect = rows[2].value,
        .systemd = rows[3].value,
        .rows = rows[4].value,
        .columns = rows[5].value,
        .network = rows[6].value,
        .command = read_vector("/sg/command"),
        .environment = read_vector("/sg/environment"),
    };
}

// Copies the image around the page cache and leaves out what is zero, so that the RAM disk takes
// no more memory than the image has content.
static void copy_device(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_DIRECT | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_DIRECT | O_CLOEXEC);
    char *chunk = aligned_alloc(4096, COPY_CHUNK);
    char *zero = calloc(1, COPY_CHUNK);
    off_t at = 0;

    if (in < 0 || out < 0 || !chunk || !zero)
        fail("cannot copy %s to %s", from, to);
    for (;;) {
        ssize_t n = pread(in, chunk, COPY_CHUNK, at);
        if (n < 0)
            fail("cannot read %s", from);
        if (n == 0)
            break;
        if (memcmp(chunk, zero, (size_t)n) != 0 && pwrite(out, chunk, (size_t)n, at) != n)
            fail("cannot write %s (is the guest's memory too small? see --memory)", to);
        at += n;
    }
    free(chunk);
    free(zero);
    (void)close(in);
    (void)close(out);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

// Copies the files of this run from the initramfs over the root, with the root's own cp, and frees
// the memory that they took.
static void copy_payload(void)
{
    int status;

    if (access("/payload", F_OK) < 0)
        return;
    if (mount("/payload", ROOT "/mnt", NULL, MS_BIND, NULL) < 0)
        fail("cannot bind the payload");
    pid_t pid = fork();
    if (pid == 0) {
        char *const move[] = {"/bin/cp", "-a", "/mnt/.", "/", NULL};
        if (chroot(ROOT) < 0 || chdir("/") < 0)
            _exit(127);
        (void)execv(move[0], move);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        errno = 0;
        fail("cannot copy the programs and shares into the guest's root (too large? the root "
             "image has about 1 GB to spare)");
    }
    (void)umount(ROOT "/mnt");
    (void)nftw("/payload", remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void enter_root(const struct options *o)
{
    const char *device = "/dev/vda";

    await_device("/dev/vda");
    await_device("/dev/vdb");
    if (o->memory_root) {
        await_device("/dev/ram0");
        copy_device("/dev/vda", "/dev/ram0");
        device = "/dev/ram0";
    }
    (void)mkdir(ROOT, 0755);
    if (mount(device, ROOT, "ext4", 0, NULL) < 0)
        fail("cannot mount the root image");
    if (mount("/dev/vdb", ROOT "/usr/lib/modules", "ext4", MS_RDONLY, NULL) < 0)
        fail("cannot mount the kernel's modules");
    copy_payload();

    (void)umount("/proc");
    (void)umount("/sys");
    if (mount("/dev", ROOT "/dev", NULL, MS_MOVE, NULL) < 0 || chdir(ROOT) < 0 ||
        mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/root") < 0)
        fail("cannot change to the root image");
}

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail("cannot set the loopback interface up");
    (void)close(fd);
}

// The one interface, with the address that QEMU's own network gives its guest. There is no way out: the host forwards ports
// and nothing else.
static void network_up(void)
{
    struct ifreq request = {.ifr_name = "eth0"};
    struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(0x0a00020f); // 10.0.2.15
    if (fd < 0 || ioctl(fd, SIOCSIFADDR, &request) < 0)
        fail("cannot set the address of eth0");
    address->sin_addr.s_addr = htonl(0xffffff00);
    if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
        fail("cannot set the network of eth0");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail("cannot set eth0 up");
    (void)close(fd);
}

void prepare_system(const struct options *o)
{
    static const struct mount_row rows[] = {
        {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, false},
        {"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, false},
        {"securityfs", "/sys/kernel/security", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, false},
        {"debugfs", "/sys/kernel/debug", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, true},
        {"tracefs", "/sys/kernel/tracing", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, true},
        {"bpf", "/sys/fs/bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700", false},
        {"cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, false},
        {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666", false},
        {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777", false},
        {"mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, true},
        {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755", false},
        {"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777", false},
    };

    mount_rows(rows, sizeof(rows) / sizeof(rows[0]));
    (void)symlink("/proc/self/fd", "/dev/fd");
    (void)symlink("/proc/self/fd/0", "/dev/stdin");
    (void)symlink("/proc/self/fd/1", "/dev/stdout");
    (void)symlink("/proc/self/fd/2", "/dev/stderr");
    (void)mkdir("/run/lock", 01777);
    (void)mkdir("/out", 0755);
    if (sethostname("guest", 5) < 0)
        fail("cannot set the host name");
    loopback_up();
    if (o->network)
        network_up();
}
