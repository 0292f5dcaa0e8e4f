// SPDX-License-Identifier: Apache-2.0
//
// Help, manual page and completion from the rows, declared in base/options.h.
#include <string.h>

#include "base/options.h"
#include "base/strutil.h"

#define HELP_COLUMN 30 // where the texts of the options begin
#define HELP_WIDTH  80

static void add_spaces(struct strbuf *sb, size_t n)
{
    while (n-- > 0)
        sb_putc(sb, ' ');
}

// Columns that text takes on a terminal: code points, near enough for help texts.
static size_t text_width(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

// Adds the words of `text` (up to len bytes), wrapped between the columns `indent` and `width`. The
// line stands at column `indent` already. Newlines count as blanks.
static void add_wrapped(struct strbuf *sb, const char *text, size_t len, size_t indent,
                        size_t width)
{
    const char *end = text + len;
    size_t column = indent;

    while (text < end) {
        size_t word = 0, columns;

        while (text < end && (*text == ' ' || *text == '\n'))
            text++;
        while (text + word < end && text[word] != ' ' && text[word] != '\n')
            word++;
        if (word == 0)
            break;
        columns = text_width(text, word);
        if (column > indent && column + 1 + columns > width) {
            sb_putc(sb, '\n');
            add_spaces(sb, indent);
            column = indent;
        } else if (column > indent) {
            sb_putc(sb, ' ');
            column++;
        }
        sb_add(sb, text, word);
        column += columns;
        text += word;
    }
    sb_putc(sb, '\n');
}

// Calls add_wrapped() or the like for each paragraph of a description.
static const char *next_paragraph(const char **text, size_t *ret_len)
{
    const char *start = *text, *gap;

    start += strspn(start, "\n");
    if (!*start)
        return NULL;
    gap = strstr(start, "\n\n");
    *ret_len = gap ? (size_t)(gap - start) : strlen(start);
    *text = start + *ret_len;
    return start;
}

static void add_option_names(struct strbuf *sb, const struct option_row *row)
{
    if (row->short_name)
        sb_printf(sb, "-%c, ", row->short_name);
    else
        sb_puts(sb, "    ");
    sb_printf(sb, "--%s", row->long_name);
    if (row->kind == OPTION_ARG)
        sb_printf(sb, "=%s", strempty(row->arg));
    else if (row->kind == OPTION_OPTIONAL_ARG)
        sb_printf(sb, "[=%s]", strempty(row->arg));
}

static void add_synopsis(struct strbuf *sb, const struct options *o)
{
    sb_puts(sb, o->program);
    if (o->command)
        sb_printf(sb, " %s", o->command);
    if (o->n_rows)
        sb_puts(sb, " [OPTION...]");
    if (o->operands)
        sb_printf(sb, " %s", o->operands);
}

void options_help(const struct options *o, unsigned width, struct strbuf *sb)
{
    const char *text = strempty(o->description), *paragraph;
    size_t columns = width ? width : HELP_WIDTH, len;

    if (columns < HELP_COLUMN + 20)
        columns = HELP_COLUMN + 20;
    sb_puts(sb, "Usage: ");
    add_synopsis(sb, o);
    sb_putc(sb, '\n');
    add_wrapped(sb, o->summary, strlen(o->summary), 0, columns);
    while ((paragraph = next_paragraph(&text, &len))) {
        sb_putc(sb, '\n');
        add_wrapped(sb, paragraph, len, 0, columns);
    }
    if (o->n_rows)
        sb_puts(sb, "\nOptions:\n");
    for (size_t i = 0; i < o->n_rows; i++) {
        size_t before = sb->len, used;

        sb_puts(sb, "  ");
        add_option_names(sb, &o->rows[i]);
        used = sb->len - before;
        if (used + 2 > HELP_COLUMN) {
            sb_putc(sb, '\n');
            used = 0;
        }
        add_spaces(sb, HELP_COLUMN - used);
        add_wrapped(sb, o->rows[i].help, strlen(o->rows[i].help), HELP_COLUMN, columns);
    }
}

// Text in a manual page: no line may begin with a control character, backslashes and hyphens are
// written as escapes, newlines are blanks.
static void add_roff(struct strbuf *sb, const char *text, size_t len)
{
    bool start = true;

    for (size_t i = 0; i < len; i++) {
        char c = text[i] == '\n' ? ' ' : text[i];

        if (start && (c == '.' || c == '\''))
            sb_puts(sb, "\\&");
        if (c == '\\')
            sb_puts(sb, "\\e");
        else if (c == '-')
            sb_puts(sb, "\\-");
        else
            sb_putc(sb, c);
        start = false;
    }
}

static void add_roff_str(struct strbuf *sb, const char *s)
{
    add_roff(sb, s, strlen(s));
}

// The first needs no macro: a heading or a text stands in front of it.
static void add_roff_paragraphs(struct strbuf *sb, bool after_text, const char *text)
{
    const char *paragraph;
    size_t len;

    while ((paragraph = next_paragraph(&text, &len))) {
        sb_puts(sb, after_text ? ".PP\n" : "");
        after_text = true;
        add_roff(sb, paragraph, len);
        sb_putc(sb, '\n');
    }
}

static void add_roff_options(struct strbuf *sb, const struct options *o)
{
    for (size_t i = 0; i < o->n_rows; i++) {
        const struct option_row *row = &o->rows[i];

        sb_puts(sb, ".TP\n");
        if (row->short_name)
            sb_printf(sb, "\\fB\\-%c\\fR, ", row->short_name);
        sb_puts(sb, "\\fB\\-\\-");
        add_roff_str(sb, row->long_name);
        sb_puts(sb, "\\fR");
        if (row->kind != OPTION_FLAG) {
            sb_puts(sb, row->kind == OPTION_ARG ? "=\\fI" : "[=\\fI");
            add_roff_str(sb, strempty(row->arg));
            sb_puts(sb, row->kind == OPTION_ARG ? "\\fR" : "\\fR]");
        }
        sb_putc(sb, '\n');
        add_roff_str(sb, row->help);
        sb_puts(sb, ".\n");
    }
}

static void add_roff_synopsis(struct strbuf *sb, const struct options *o)
{
    sb_puts(sb, "\\fB");
    add_roff_str(sb, o->program);
    if (o->command) {
        sb_putc(sb, ' ');
        add_roff_str(sb, o->command);
    }
    sb_puts(sb, "\\fR");
    if (o->n_rows)
        sb_puts(sb, " [\\fIOPTION\\fR...]");
    if (o->operands) {
        sb_puts(sb, " \\fI");
        add_roff_str(sb, o->operands);
        sb_puts(sb, "\\fR");
    }
    sb_putc(sb, '\n');
}

void options_man(const struct options *o, const struct options *commands, size_t n_commands,
                 int section, const char *version, struct strbuf *sb)
{
    sb_printf(sb, ".TH %s %d \"" OPTIONS_MAN_DATE "\" \"%s %s\"\n.SH NAME\n", o->program, section,
              o->program, version);
    add_roff_str(sb, o->program);
    sb_puts(sb, " \\- ");
    add_roff_str(sb, o->summary);
    sb_puts(sb, "\n.SH SYNOPSIS\n");
    add_roff_synopsis(sb, o);
    if (o->description) {
        sb_puts(sb, ".SH DESCRIPTION\n");
        add_roff_paragraphs(sb, false, o->description);
    }
    if (o->n_rows) {
        sb_puts(sb, ".SH OPTIONS\n");
        add_roff_options(sb, o);
    }
    if (n_commands)
        sb_puts(sb, ".SH COMMANDS\n");
    for (size_t i = 0; i < n_commands; i++) {
        sb_puts(sb, ".SS ");
        add_roff_synopsis(sb, &commands[i]);
        add_roff_str(sb, commands[i].summary);
        sb_puts(sb, ".\n");
        add_roff_paragraphs(sb, true, strempty(commands[i].description));
        add_roff_options(sb, &commands[i]);
    }
}

// One branch of the script's `case`: the options of a command, and what follows each of them.
static void add_bash_case(struct strbuf *sb, const struct options *o)
{
    sb_printf(sb, "    '%s')\n        opts='", strempty(o->command));
    for (size_t i = 0; i < o->n_rows; i++)
        sb_printf(sb, "%s--%s%s", i ? " " : "", o->rows[i].long_name,
                  o->rows[i].kind == OPTION_ARG ? "=" : "");
    sb_printf(sb, "'\n        words='%s'\n", strempty(o->operand_values));
    sb_puts(sb, "        case $name in\n");
    for (size_t i = 0; i < o->n_rows; i++) {
        const struct option_row *row = &o->rows[i];

        if (row->kind == OPTION_FLAG)
            continue;
        // An optional argument only follows a '='.
        sb_printf(sb, "        --%s%s", row->long_name, row->kind == OPTION_ARG ? "" : "=");
        if (row->short_name && row->kind == OPTION_ARG)
            sb_printf(sb, "|-%c", row->short_name);
        if (row->kind == OPTION_ARG)
            sb_printf(sb, "|--%s=", row->long_name);
        sb_printf(sb, ") value=1 words='%s' ;;\n", strempty(row->values));
    }
    sb_puts(sb, "        esac ;;\n");
}

// The commands, one a line: "policy check".
static void add_bash_commands(struct strbuf *sb, const struct options *commands, size_t n_commands)
{
    sb_puts(sb, "    commands='");
    for (size_t i = 0; i < n_commands; i++)
        sb_printf(sb, "%s%s", i ? "\n" : "", strempty(commands[i].command));
    sb_puts(sb, "'\n");
}

static void add_function_name(struct strbuf *sb, const char *program)
{
    sb_putc(sb, '_');
    for (const char *p = program; *p; p++)
        sb_putc(sb, *p == '-' ? '_' : *p);
}

// What the script does before the cases: `name` is the option that cur is the value of (with the
// '=' when there is one, a word of its own in COMP_WORDS), `command` the longest known run of
// words.
static const char bash_begin[] =
    "    if [[ $cur == '=' ]]; then name=$prev=; cur=\n"
    "    elif [[ $prev == '=' && COMP_CWORD -ge 2 ]]; then name=${COMP_WORDS[COMP_CWORD-2]}=\n"
    "    else name=$prev; fi\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
    "        line=${command:+$command }$word\n"
    "        if [[ $'\\n'$commands$'\\n' == *$'\\n'\"$line\"[\\ $'\\n']* ]]; then\n"
    "            command=$line\n"
    "        fi\n"
    "    done\n"
    "    case $command in\n";

// And after them: the next words of the commands that begin with `command`, then the answer.
static const char bash_end[] =
    "    esac\n"
    "    if [[ -z $value ]]; then\n"
    "        while read -r line; do\n"
    "            [[ -n $line && (-z $command || $line == \"$command \"*) ]] || continue\n"
    "            line=${line#\"$command\"}\n"
    "            line=${line# }\n"
    "            words+=\" ${line%% *}\"\n"
    "        done <<<\"$commands\"\n"
    "        if [[ $cur == -* ]]; then words=$opts; fi\n"
    "    fi\n"
    "    case $words in\n"
    "    FILE) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); compopt -o filenames ;;\n"
    "    DIR) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); compopt -o filenames ;;\n"
    "    *)\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
    "        if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi ;;\n"
    "    esac\n";

void options_completion_bash(const struct options *o, const struct options *commands,
                             size_t n_commands, struct strbuf *sb)
{
    sb_printf(sb, "# bash completion for %s\n", o->program);
    add_function_name(sb, o->program);
    sb_puts(sb, "()\n{\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                "    local name= command= commands= opts= words= value= word= line=\n"
                "    COMPREPLY=()\n");
    add_bash_commands(sb, commands, n_commands);
    sb_puts(sb, bash_begin);
    add_bash_case(sb, o);
    for (size_t i = 0; i < n_commands; i++)
        add_bash_case(sb, &commands[i]);
    sb_puts(sb, bash_end);
    sb_puts(sb, "}\ncomplete -F ");
    add_function_name(sb, o->program);
    sb_printf(sb, " %s\n", o->program);
}
