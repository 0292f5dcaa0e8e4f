// SPDX-License-Identifier: Apache-2.0
#include "sensor/preempt.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "sensor/hostfile.h"

static const struct {
    const char *word;
    enum sensor_preemption is;
} words[] = {
    {"none", SENSOR_PREEMPT_NONE},
    {"voluntary", SENSOR_PREEMPT_VOLUNTARY},
    {"full", SENSOR_PREEMPT_FULL},
    {"lazy", SENSOR_PREEMPT_LAZY},
};

static enum sensor_preemption word_is(const char *s, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strlen(words[i].word) == len && memcmp(words[i].word, s, len) == 0)
            return words[i].is;
    return SENSOR_PREEMPT_UNKNOWN;
}

enum sensor_preemption preemption_of_debugfs(const char *text)
{
    const char *open = strchr(text, '('), *close = open ? strchr(open, ')') : NULL;

    return close ? word_is(open + 1, (size_t)(close - open - 1)) : SENSOR_PREEMPT_UNKNOWN;
}

enum sensor_preemption preemption_of_cmdline(const char *text)
{
    enum sensor_preemption last = SENSOR_PREEMPT_UNKNOWN;

    // The last one counts, as for the kernel; a word that it does not know changes nothing.
    for (const char *s = text; (s = strstr(s, "preempt=")); s++) {
        const char *value = s + strlen("preempt=");
        enum sensor_preemption is = word_is(value, strcspn(value, " \n"));

        if ((s == text || s[-1] == ' ') && is != SENSOR_PREEMPT_UNKNOWN)
            last = is;
    }
    return last;
}

// Lines of a kernel configuration; the first that is set decides, so the special come first: a kernel
// with PREEMPT_DYNAMIC names its default besides.
static const struct {
    const char *option;
    enum sensor_preemption is;
} options[] = {
    {"CONFIG_PREEMPT_RT=y", SENSOR_PREEMPT_RT},
    {"CONFIG_PREEMPT_LAZY=y", SENSOR_PREEMPT_LAZY},
    {"CONFIG_PREEMPT=y", SENSOR_PREEMPT_FULL},
    {"CONFIG_PREEMPT_VOLUNTARY=y", SENSOR_PREEMPT_VOLUNTARY},
    {"CONFIG_PREEMPT_NONE=y", SENSOR_PREEMPT_NONE},
};

// Reads plain and compressed files alike.
static enum sensor_preemption of_config(const char *path)
{
    size_t best = ARRAY_SIZE(options);
    gzFile f = gzopen(path, "rbe");
    char line[512];

    if (!f)
        return SENSOR_PREEMPT_UNKNOWN;
    while (gzgets(f, line, sizeof(line))) {
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < best; i++)
            if (streq(line, options[i].option))
                best = i;
    }
    (void)gzclose(f);
    return best < ARRAY_SIZE(options) ? options[best].is : SENSOR_PREEMPT_UNKNOWN;
}

static enum sensor_preemption of_any_config(const char *root, const char *release, char *ret_source,
                                            size_t size)
{
    const struct {
        const char *before, *name, *after;
    } places[] = {
        {"/proc/config.gz", "", ""},
        {"/boot/config-", release, ""},
        {"/lib/modules/", release, "/config"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        enum sensor_preemption is;
        char path[1024];
        int n;

        n = snprintf(path, sizeof(path), "%s%s%s%s", root, places[i].before, places[i].name,
                     places[i].after);
        if (n < 0 || (size_t)n >= sizeof(path))
            continue;
        is = of_config(path);
        if (is != SENSOR_PREEMPT_UNKNOWN) {
            (void)snprintf(ret_source, size, "%s", path + strlen(root));
            return is;
        }
    }
    return SENSOR_PREEMPT_UNKNOWN;
}

enum sensor_preemption preemption_read(const char *root, const char *release, const char *version,
                                       char *ret_source, size_t size)
{
    enum sensor_preemption is;
    char text[4096];

    if (hostfile_read(root, "/sys/kernel/realtime", text, sizeof(text)) == 0 && streq(text, "1")) {
        (void)snprintf(ret_source, size, "/sys/kernel/realtime");
        return SENSOR_PREEMPT_RT;
    }
    if (strstr(version, "PREEMPT_RT")) {
        (void)snprintf(ret_source, size, "uname -v");
        return SENSOR_PREEMPT_RT;
    }
    if (hostfile_read_kernel(root, "/sys/kernel/debug", "debugfs", "sched/preempt", text,
                             sizeof(text)) == 0) {
        is = preemption_of_debugfs(text);
        if (is != SENSOR_PREEMPT_UNKNOWN) {
            (void)snprintf(ret_source, size, "/sys/kernel/debug/sched/preempt");
            return is;
        }
    }
    if (strstr(version, "PREEMPT_DYNAMIC") &&
        hostfile_read(root, "/proc/cmdline", text, sizeof(text)) == 0) {
        is = preemption_of_cmdline(text);
        if (is != SENSOR_PREEMPT_UNKNOWN) {
            (void)snprintf(ret_source, size, "/proc/cmdline");
            return is;
        }
    }
    is = of_any_config(root, release, ret_source, size);
    if (is != SENSOR_PREEMPT_UNKNOWN)
        return is;
    (void)snprintf(ret_source, size, "uname -v");
    if (strstr(version, "PREEMPT_DYNAMIC"))
        return SENSOR_PREEMPT_UNKNOWN;
    // The kernel puts PREEMPT into its version when it is built preemptible; neither of the other two
    // models is told apart there, nor has to be.
    return strstr(version, "PREEMPT") ? SENSOR_PREEMPT_FULL : SENSOR_PREEMPT_VOLUNTARY;
}
