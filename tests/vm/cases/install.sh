#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What 'make install' puts where: the list of files, manual pages without warnings, completion in three shells, and a
# second installation that leaves alone what a person has changed. Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
PATH=/usr/sbin:/usr/bin
export LC_ALL=C
share=/opt/safeguard/share
installed=$share/install

quiet() { # command…: says nothing
    "$@" >/tmp/quiet.out 2>&1
    [[ ! -s /tmp/quiet.out ]] || { cat /tmp/quiet.out; return 1; }
}

# Types a line into an interactive shell and waits for a text to appear.
types() { # text that has to appear, line, shell…
    python3 - "$@" <<'PY'
import os, pty, select, sys, time
wanted, line, shell = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm", PS1="READY>", HOME="/tmp/home")
    os.execvp(shell[0], shell)
seen, sent, end = "", False, time.monotonic() + 120
while wanted not in seen and time.monotonic() < end:
    ready, _, _ = select.select([fd], [], [], 1)
    try:
        seen += os.read(fd, 65536).decode(errors="replace") if ready else ""
    except OSError:
        break
    if not sent and "READY>" in seen:
        seen, sent = "", True
        os.write(fd, line.encode().decode("unicode_escape").encode())
os.kill(pid, 9)
print(repr(seen))
sys.exit(wanted not in seen)
PY
}

mkdir -p /tmp/home
# The pages have their content in their names, and are there where they could be built.
(cd "$installed" && find . -type f ! -path './usr/share/safeguard/ui/*' -printf '%m %P\n' | sort -k 2) >/tmp/list
check "the files and their modes" diff "$share/cases/install.list" /tmp/list
pages=$installed/usr/share/safeguard/ui
if [[ -d $pages ]]; then
    check "the pages are whole" bash -c "test -s '$pages/index.html' && ls '$pages'/app-*.js '$pages'/app-*.css >/dev/null"
    check "  ... and have the right modes" bash -c "! find '$pages' -type f ! -perm 644 | grep ."
fi
cp -a "$installed/." /
check "the programs start" bash -c "safeguard version && safeguard-agent --version && safeguard-server --version"

for page in man1/safeguard.1 man5/safeguard-policy.5 man5/safeguard-agent.yaml.5 man8/safeguard-agent.8 \
    man5/safeguard-server.yaml.5 man8/safeguard-server.8; do
    file=/usr/share/man/$page
    check "$page is found" man -w "${page##*.}" "$(basename "${page%.*}")"
    check "$page: mandoc has no warning" quiet mandoc -T lint -W warning "$file"
    check "$page: man has none" bash -c "! man --warnings -P cat -l '$file' 2>&1 >/dev/null | grep ."
done
check "the page of policies names every verb" bash -c "man -P cat 5 safeguard-policy | grep -A 12 VERBS | grep -c -E 'allow|audit|deny|kill' | grep -qx 4"

cat >/tmp/home/.bashrc <<'RC'
. /usr/share/bash-completion/bash_completion
PS1='READY>'
RC
cat >/tmp/home/.zshrc <<'RC'
autoload -Uz compinit && compinit -u
PS1='READY>'
RC
check "bash completes a command" types 'safeguard status' 'safeguard sta\t' bash --rcfile /tmp/home/.bashrc -i
check "bash completes its second word" types 'safeguard policy explain' 'safeguard policy ex\t' bash --rcfile /tmp/home/.bashrc -i
check "bash completes an option" types '--follow' 'safeguard events --fo\t' bash --rcfile /tmp/home/.bashrc -i
check "bash completes an option's word" types 'always' 'safeguard status --color alw\t' bash --rcfile /tmp/home/.bashrc -i
check "bash completes a file" types '/etc/safeguard/policies/10-safeguard.yaml' 'safeguard policy check /etc/safeguard/policies/10\t' bash --rcfile /tmp/home/.bashrc -i
check "bash completes the agent's options" types '--policy-dir' 'safeguard-agent --policy\t' bash --rcfile /tmp/home/.bashrc -i
check "zsh completes a command" types 'safeguard status' 'safeguard sta\t' zsh -i
check "zsh completes its second word" types 'policy explain' 'safeguard policy ex\t' zsh -i
check "zsh completes an option" types '--follow' 'safeguard events --fo\t' zsh -i
check "fish completes a command" fish -c 'complete -C "safeguard sta" | grep -q "^status"'
check "fish completes its second word" fish -c 'complete -C "safeguard policy ex" | grep -q "^explain"'
check "fish completes an option" fish -c 'complete -C "safeguard events --fo" | grep -q -- "^--follow"'

echo '# mine' >/etc/safeguard/agent.yaml
rm /etc/safeguard/policies/70-web-roots.yaml
check "settings are installed once more" env DESTDIR= "$share/install-settings" /usr/share /etc
check "what a person changed is left alone" grep -qx '# mine' /etc/safeguard/agent.yaml
check "what a person removed stays removed" test ! -e /etc/safeguard/policies/70-web-roots.yaml
check "the shipped policies are right" safeguard policy check /etc/safeguard/policies
