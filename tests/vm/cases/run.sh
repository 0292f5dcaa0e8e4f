#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What `safeguard run` launches: an errno, a kill and a stop by filter, for static and dynamic programs, threads, children,
# programs executed from there, and by every entry that the kernel has for system calls. Runs inside a VM. Prints TAP.
set -u
cases=$(dirname "$0")
# shellcheck source=tests/vm/cases/agent.lib
. "$cases/agent.lib"
policy=$cases/run.yaml

said() { # name, what is to be said, command…
    local name=$1 wanted=$2 got status
    shift 2
    got=$("$@" 2>/tmp/said.err </dev/null)
    status=$?
    if ((status == 77)); then
        echo "ok $name # SKIP no such way here"
    elif [[ $got == "$wanted" ]]; then
        echo "ok $name"
    else
        echo "not ok $name: '$got' instead of '$wanted' (status $status) $(tail -n 2 /tmp/said.err | tr '\n' ' ')"
    fi
}
run() { safeguard run --policy "$policy" "$@"; }

# Without the filter every way works: what is refused below is refused by it.
said "free.getpriority" ok sg-call here getpriority
said "free.personality" ok sg-call here personality
for program in sg-call sg-call-dynamic; do
    for way in here thread child exec; do
        said "errno.$program.$way" EXDEV run "$program" "$way" getpriority
    done
done
for call in getpriority personality; do
    said "free.compat.$call" ok sg-call compat "$call"
done
said errno.compat EXDEV run sg-call compat getpriority
# By numbers that 64-bit programs do not have. Without the filter they fail in the kernel, or pass.
for call in setuid setgroups clock_settime connect semop; do
    said "errno.compat.$call" EXDEV run sg-call compat "$call"
done
free=$(sg-call x32 getpriority)
# A kernel without x32 knows no such number: the filter says no before it does.
[[ $free == ok ]] && echo "# x32 is there" || echo "# x32 is not there: $free"
said errno.x32 EXDEV run sg-call x32 getpriority
said io_uring.absent ENOSYS run sg-call here io_uring_setup
check shell.child run sh -c '[ "$(sg-call here getpriority)" = EXDEV ]'
check privileges run grep -q '^NoNewPrivs:.1$' /proc/self/status
check filtered run grep -q '^Seccomp:.2$' /proc/self/status

# What ends a process ends all of it, by SIGSYS (31); whoever launched ends in the same way.
for way in here thread exec; do
    run sg-call "$way" personality >/tmp/killed 2>&1
    status=$?
    if ((status == 159)) && ! grep -q '^ok$' /tmp/killed; then echo "ok kill.$way"; else echo "not ok kill.$way: $status $(tr '\n' ' ' </tmp/killed)"; fi
done
said kill.child "killed 31" run sg-call child personality
run sg-call compat personality >/tmp/killed 2>&1
status=$?
if ((status == 159 || status == 77)); then echo "ok kill.compat"; else echo "not ok kill.compat: $status"; fi

# A stop: not one instruction later, until somebody lets it go on; then the call is refused. Twice: each attempt is stopped.
state() { sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
stopped() { # way, how often
    local way=$1 times=$2 launcher pid='' i
    run sg-call "$way" sethostname >/tmp/stopped 2>/tmp/stopped.err &
    launcher=$!
    for ((i = 1; i <= times; i++)); do
        # The launcher says so when it has sent the signal; the process stops when it leaves the kernel.
        for _ in $(seq 200); do
            [[ $(grep -c 'is stopped at sethostname' /tmp/stopped.err) -ge $i ]] && break
            sleep 0.05
        done
        pid=$(sed -n 's/.*process \([0-9]*\) is stopped.*/\1/p' /tmp/stopped.err | tail -n 1)
        for _ in $(seq 200); do [[ $(state "$pid") == T ]] && break; sleep 0.05; done
        if [[ $(state "$pid") != T ]]; then
            echo "not ok stop.$way.$i: state $(state "$pid") $(tr '\n' ' ' </tmp/stopped.err)"
            kill -KILL "$launcher"
            return
        fi
        if (($(wc -l </tmp/stopped) != i - 1)); then echo "not ok stop.$way.$i: it went on"; else echo "ok stop.$way.$i"; fi
        kill -CONT "$pid"
    done
    wait "$launcher"
    status=$?
    if ((status == 0)) && [[ $(sort -u /tmp/stopped) == EPERM ]] && (($(wc -l </tmp/stopped) == times)); then
        echo "ok stop.$way.refused"
    else
        echo "not ok stop.$way.refused: $status $(tr '\n' ' ' </tmp/stopped)"
    fi
    # One attempt, one stop: also where the kernel lets a stopped process try again.
    if (($(grep -c 'is stopped' /tmp/stopped.err) == times)); then echo "ok stop.$way.once"; else
        echo "not ok stop.$way.once: $(grep -c 'is stopped' /tmp/stopped.err) stops for $times"
    fi
}
stopped here 1
stopped twice 2
stopped thread 1
stopped child 1

# How it ends, and what signals do.
run sh -c 'exit 7'; status=$?
check exit.status test "$status" = 7
run sh -c 'kill -TERM $$' >/dev/null 2>&1; status=$?
check exit.signal test "$status" = 143
run /nowhere/at/all >/dev/null 2>&1; status=$?
check exit.absent test "$status" = 127
run /etc/passwd >/dev/null 2>&1; status=$?
check exit.no_program test "$status" = 126
mkfifo /tmp/ready
safeguard run --policy "$policy" sh -c 'trap "exit 9" USR1; echo up >/tmp/ready; while :; do sleep 0.1; done' &
launcher=$!
read -r _ </tmp/ready
kill -USR1 "$launcher"
wait "$launcher"
check signal.passed test "$?" = 9

# The control group: by its name while it runs, and away afterwards.
check group.named run grep -q '^0::/safeguard.run/jail/[0-9]*$' /proc/self/cgroup
check group.gone test ! -e /sys/fs/cgroup/safeguard.run/jail
mkdir -p /etc/safeguard/policies
cp "$policy" /etc/safeguard/policies/10-jail.yaml
said by.name EXDEV safeguard run --policy jail -- sg-call here getpriority

# Who is not root gets the filter as well; but nothing that the kernel would have to know him by.
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"; }
said nobody.errno EXDEV nobody safeguard run --policy "$policy" sg-call here getpriority
cat >/tmp/group.yaml <<'YAML'
safeguard: 1
name: group
mode: enforce
processes:
  - {exec: /bin/true, by: {launched: true}, do: deny}
YAML
chmod 644 /tmp/group.yaml
nobody safeguard run --policy /tmp/group.yaml true >/tmp/refused 2>&1; status=$?
if ((status == 4)) && grep -q 'to do: start it as root' /tmp/refused; then echo "ok nobody.group"; else echo "not ok nobody.group: $status $(tr '\n' ' ' </tmp/refused)"; fi

# Everything but what is named: an allow-list.
cat >/tmp/list.yaml <<'YAML'
safeguard: 1
name: list
mode: enforce
subjects: {run: {launched: true}}
processes:
  - {syscall: [execve, brk, mmap, munmap, mprotect, read, write, newfstatat, fstat, readlink, readlinkat, uname, arch_prctl, set_tid_address, set_robust_list, rseq, prlimit64, getrandom, openat, close, pread64, access], by: run, do: allow}
  - {syscall: any, by: run, do: {errno: ENOSYS}}
YAML
said list.refused ENOSYS safeguard run --policy /tmp/list.yaml sg-call here getpriority
sed -i 's/execve, //' /tmp/list.yaml
safeguard run --policy /tmp/list.yaml true >/tmp/refused 2>&1; status=$?
if ((status == 4)) && grep -q 'refuses execve' /tmp/refused; then echo "ok list.execve"; else echo "not ok list.execve: $status"; fi
