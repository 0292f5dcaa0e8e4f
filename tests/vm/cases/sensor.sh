#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The sensor at work: load, deny, prove, swap, be taken over, run out of room, be switched off, detach. Runs inside a VM.
# Prints TAP.
sensor-check guarded
exec sensor-check lsm
