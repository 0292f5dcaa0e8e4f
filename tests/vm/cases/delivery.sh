#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every record stored once, or counted as dropped, with a network between a host and its server that tc's netem spoils: most
# machines that build have a kernel without it. The test itself is tests/delivery/run. Runs inside a VM. Prints TAP.
set -u
share=/opt/safeguard/share
modprobe -a veth sch_netem

# Where it looks for the programs.
export BUILD=/tmp/build
mkdir -p "$BUILD"/{src/server,src/cli,tests/delivery}
ln -s /opt/safeguard/bin/safeguard-server "$BUILD/src/server/"
ln -s /opt/safeguard/bin/safeguard "$BUILD/src/cli/"
ln -s "$share/bin/sg-producer" "$BUILD/tests/delivery/"

exec python3 "$share/delivery/run" --link netem --records 40000 --per-second 800 --server-kills 6 --host-kills 3 --cuts 8 \
    --hangs 2
