// SPDX-License-Identifier: Apache-2.0
#include "policy/man.h"
#include "policy/packets.h"

#include <stdint.h>
#include <string.h>

#include "base/macro.h"
#include "base/options.h"
#include "model/names.h"
#include "policy/loader.h"

// In the order of enum sg_op.
static const char *const access_help[] = {
    "opening for reading, listing a directory",
    "opening for writing, truncating, allocating; as a word of a rule: everything that changes",
    "new files, directories, devices, pipes, sockets and symbolic links; the new name of a link or rename",
    "removing; the name that a rename replaces",
    "the old name of a rename",
    "giving the object a further hard link",
    "mode, times, inode flags",
    "owner, group",
    "extended attributes, access control lists",
    "opening for execution",
    "mapping into memory",
    "closing, with the bytes read and written since the opening; must be asked for by this word",
    "mounting over it, unmounting, moving a mount, changing the root",
};
STATIC_ASSERT(1u << ARRAY_SIZE(access_help) == SG_OPS_FILES + 1, "every access is explained");

static const char *const verb_help[] = {
    [SG_ALLOW] = "let it pass, without a record",
    [SG_AUDIT] = "let it pass, and record it",
    [SG_DENY] = "refuse it with EPERM, and record it",
    [SG_KILL] = "refuse it, record it, and kill the process",
    [SG_STOP] = "refuse it, record it, and stop the process (SIGSTOP) until somebody looks at it",
};
STATIC_ASSERT(ARRAY_SIZE(verb_help) == SG_VERDICT_COUNT, "every verb is explained");

static const struct {
    const char *pattern, *meaning;
} patterns[] = {
    {"/etc/shadow", "this path"},
    {"/srv/*/key", "* stands for any number of bytes of one component; alone for at least one"},
    {"/dev/tty?", "? stands for one byte"},
    {"/dev/sd[a-z]", "one of a set; [!a-z] one outside of it"},
    {"/srv/www/**", "everything beneath /srv/www, however deep, but not /srv/www itself"},
    {"/home/**/key", "** in the middle: any number of components, also none"},
};

static const char example[] =
    "safeguard: 1\n"
    "name: web-host\n"
    "mode: enforce\n"
    "subjects:\n"
    "  backup: {exe: /usr/bin/restic, user: root}\n"
    "  web:    {exe: /usr/sbin/nginx, descendants: true}\n"
    "files:\n"
    "  - {path: [/etc/shadow, /etc/gshadow], access: read, not_by: backup, do: deny}\n"
    "  - {path: \"/srv/www/**\", access: write, by: web, do: deny}\n"
    "  - {path: \"/home/*/.ssh/*.pub\", access: write, do: audit}\n";

static void text(struct strbuf *sb, const char *s)
{
    if (*s == '.' || *s == '\'')
        sb_puts(sb, "\\&");
    for (; *s; s++)
        if (*s == '\\')
            sb_puts(sb, "\\e");
        else if (*s == '-')
            sb_puts(sb, "\\-");
        else
            sb_putc(sb, *s);
}

static void item(struct strbuf *sb, const char *word, const char *help)
{
    sb_puts(sb, ".TP\n\\fB");
    text(sb, word);
    sb_puts(sb, "\\fR\n");
    text(sb, help);
    sb_puts(sb, "\n");
}

static void paragraph(struct strbuf *sb, const char *s)
{
    sb_puts(sb, ".PP\n");
    text(sb, s);
    sb_puts(sb, "\n");
}

// The first text behind a heading.
static void heading_text(struct strbuf *sb, const char *s)
{
    text(sb, s);
    sb_puts(sb, "\n");
}

// Keys that this version refuses are said to be so: they are part of the language.
static void keys(struct strbuf *sb, const struct key_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        item(sb, rows[i].name, rows[i].help ? rows[i].help : "Not in this version: it is refused.");
}

static void put_words(struct strbuf *sb)
{
    sb_puts(sb, ".SH ACCESS\n");
    for (unsigned i = 0; i < ARRAY_SIZE(access_help); i++)
        item(sb, access_name(i), access_help[i]);
    item(sb, "any", "all of these but io");
    sb_puts(sb, ".SH VERBS\n");
    for (unsigned v = SG_ALLOW; v < SG_VERDICT_COUNT; v++)
        item(sb, event_verdict_name((enum sg_verdict)v), verb_help[v]);
    sb_puts(sb, ".SH PATTERNS\n");
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
        item(sb, patterns[i].pattern, patterns[i].meaning);
    paragraph(sb, "A backslash takes the meaning from the next byte. Patterns count bytes, not "
                  "characters; * and ? also stand for a leading dot. What has a meaning in YAML "
                  "(a leading * or [, a # after a blank) needs quotes.");
}

static void put_sections(struct strbuf *sb)
{
    const struct key_row *rows;
    size_t n;

    sb_puts(sb, ".SH FILES OF A POLICY\n");
    rows = read_file_keys(&n);
    keys(sb, rows, n);
    sb_puts(sb, ".SH RULES\n");
    heading_text(sb,
                 "Rules of all files make one list. The first that matches an operation decides "
                 "it; what no rule matches is allowed and not recorded.");
    rows = read_rule_keys(&n);
    keys(sb, rows, n);
    sb_puts(sb, ".SH RULES ABOUT FILES\n");
    keys(sb, section_files.keys, section_files.n_keys);
    sb_puts(sb, ".SH RULES ABOUT PROCESSES\n");
    keys(sb, section_processes.keys, section_processes.n_keys);
    sb_puts(sb, ".SH RULES ABOUT WHAT IS ASKED OF THE KERNEL\n");
    heading_text(sb, "Each key takes a word, a list of words, or any.");
    keys(sb, section_control.keys, section_control.n_keys);
    sb_puts(sb, ".SH RULES ABOUT SOCKETS\n");
    keys(sb, section_network.keys, section_network.n_keys);
    sb_puts(sb, ".SH RULES ABOUT PACKETS\n");
    rows = read_packet_keys(&n);
    keys(sb, rows, n);
    heading_text(sb, "Keys of `do`, where it is a map.");
    rows = read_packet_do_keys(&n);
    keys(sb, rows, n);
    sb_puts(sb, ".SH SUBJECTS\n");
    heading_text(sb, "All keys of a subject have to match; within a key one entry of its list is "
                     "enough, except for capability.");
    rows = read_subject_keys(&n);
    keys(sb, rows, n);
    sb_puts(sb, ".SH WHAT RECORDS HAVE\n");
    heading_text(sb, "Keys of `record`.");
    rows = read_record_keys(&n);
    keys(sb, rows, n);
}

void policy_man(struct strbuf *sb)
{
    sb_puts(sb, ".TH safeguard\\-policy 5 \"" OPTIONS_MAN_DATE "\" \"safeguard " SAFEGUARD_VERSION
                "\"\n"
                ".SH NAME\nsafeguard\\-policy \\- what safeguard allows, records and refuses\n"
                ".SH SYNOPSIS\n/etc/safeguard/policies/*.yaml\n.SH DESCRIPTION\n");
    text(sb, "A policy is a YAML file. The agent reads all files of its directory in the order of "
             "their names (10-base.yaml before 50-web.yaml), when it starts, when they change, and "
             "on SIGHUP. If one has a mistake none of them is taken, and the policy before stays "
             "in force; 'safeguard policy check' says where the mistake is and what to do.");
    sb_puts(sb, "\n");
    put_sections(sb);
    put_words(sb);
    sb_puts(sb, ".SH WHAT HOLDS BESIDE THE RULES\n");
    text(sb, "A file with several names is worth what any of its names is worth. Whoever is "
             "refused anything at an object, or beneath a directory, may neither move it to a "
             "place where other rules hold nor give it a name there. The running agent is not "
             "subject to the policy; where a policy would keep root from starting safeguard's own "
             "programs, what these are made of is left open for them.");
    sb_puts(sb, "\n.SH EXAMPLES\n.nf\n");
    for (const char *line = example, *end; *line; line = end + 1) {
        char buf[128];
        size_t len;

        end = strchr(line, '\n');
        len = MIN((size_t)(end - line), sizeof(buf) - 1);
        memcpy(buf, line, len);
        buf[len] = '\0';
        text(sb, buf);
        sb_puts(sb, "\n");
    }
    sb_puts(sb, ".fi\n.SH SEE ALSO\n.BR safeguard (1),\n.BR safeguard\\-agent (8)\n");
}
