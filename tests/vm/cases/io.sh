#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `access: io`: every way to read and write is counted to the byte, and nothing is attached where no rule asks for it.
# Runs inside a VM. Prints TAP.
set -u
# shellcheck source=tests/vm/cases/agent.lib
. "$(dirname "$0")/agent.lib"
size=200000

mkdir -p /srv/io /srv/other
ways=(read pread readv preadv2 sendfile splice copy-from uring-read uring-read-async aio-read
    write pwrite writev pwritev2 sendfile-to splice-to copy-to uring-write uring-write-async aio-write)

run_all() { # what sg-protect runs: each way on a file of its own
    for way in "${ways[@]}"; do
        sg-do "$way" "/srv/io/$way" $size
        echo "$way $?"
    done
    sg-do both /srv/io/both $size
    for name in fexit_vfs_read fexit_vfs_write; do
        missed=$(missed_by $name)
        echo "$name missed ${missed:-0}"
    done
    sg-do map /srv/io/map $size
    sg-do read /srv/other/plain $size
    head -c 10 /srv/io/quiet >/dev/null
    ls -1 /srv/io/dir
    cat /srv/io/empty
    bpftool prog show | grep -c 'name fexit_vfs_read '
}

if [[ ${1:-} == run ]]; then
    run_all
    exit 0
fi

for name in "${ways[@]}" both map quiet; do
    head -c $size /dev/zero >"/srv/io/$name"
    head -c $size /dev/zero >"/srv/io/$name.copy"
done
head -c $size /dev/zero >/srv/other/plain
mkdir /srv/io/dir
: >/srv/io/empty

sg-protect -p "$cases/io.yaml" -o /tmp/records bash "$0" run >/tmp/ran 2>/tmp/ran.err
status=$?
if ((status == 99)); then
    cat /tmp/ran.err
    echo 'not ok policy in force'
    exit 1
fi
cat /tmp/ran /tmp/ran.err >&2

# The record of a file's close: exactly one, with these bytes. Prints what there is.
closed() { # file, read, written, more operations
    python3 - "$@" <<'PY'
import json, sys
name, read, written, *more = sys.argv[1:]
def counted(bytes, wanted): # exactly N, or with MIN..MAX something between
    least, _, most = wanted.partition("..")
    return int(least) <= bytes <= int(most or least)
records = [r for r in map(json.loads, open("/tmp/records")) if r.get("path") == "/srv/io/" + name]
print(*({k: r.get(k) for k in ("ops", "bytes_read", "bytes_written", "open_ns")} for r in records))
ok = len(records) == 1 and sorted(records[0]["ops"]) == sorted(["io", *more])
ok = ok and counted(records[0]["bytes_read"], read) and counted(records[0]["bytes_written"], written)
sys.exit(not (ok and records[0]["open_ns"] > 0 and records[0]["outcome"] == "passed"))
PY
}
none() { ! grep -q "\"path\":\"$1" /tmp/records; }

for way in "${ways[@]}"; do
    case $(awk -v w="$way" '$1 == w { print $2 }' /tmp/ran) in
        0) ;;
        77) echo "ok io.$way # SKIP this kernel does not have it"; continue ;;
        *) echo "not ok io.$way: $(grep -m 1 sg-do /tmp/ran.err)"; continue ;;
    esac
    case $way in
        *write* | *-to) check "io.$way" closed "$way" 0 $size ;;
        *) check "io.$way" closed "$way" $size 0 ;;
    esac
done
# Threads that preempt one another inside a program are missed, and the kernel says how often; not for which
# file, so what it says is the most that can be missing here.
missed() { awk -v p="$1" '$1 == p && $2 == "missed" { print $3 * 500 }' /tmp/ran; }
check "io.threads" closed both $((size - $(missed fexit_vfs_read)))..$size $((size - $(missed fexit_vfs_write)))..$size
echo "# bytes missed: $(missed fexit_vfs_read) read, $(missed fexit_vfs_write) written"
check "io.mapped" closed map 0 0 mmap
check "io.nothing read" closed empty 0 0
check "io.the other file of a copy" closed copy-from.copy 0 $size
check "io.another directory" none /srv/other
check "io.an exempt program" none /srv/io/quiet
check "io.a directory" none /srv/io/dir
if [[ $(tail -n 1 /tmp/ran) == 1 ]]; then echo "ok io.attached"; else echo "not ok io.attached"; fi
attached=$(sg-protect -p "$cases/vault.yaml" -o /dev/null bash -c 'bpftool prog show | grep -cE "name (fexit_(vfs_[^l]|iter|kiocb|do_spl)|lsm_file_(opened|close)|fmod_file_(opened|close))"')
if [[ ${attached%%$'\n'*} == 0 ]]; then echo "ok io.not attached without a rule"; else echo "not ok io.not attached without a rule: $attached"; fi
check "io.no record lost" python3 -c '
import json
print(n := [r for r in map(json.loads, open("/tmp/records")) if r["kind"] == "counter" and r["counter"] in (1, 3, 5, 23)])
assert not n'
