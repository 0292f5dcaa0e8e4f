#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loads a module that was built without the kernel's headers: loader.py FILE.ko

finit_module(2) with both flags that let versions of symbols and the string of the kernel's build be; insmod has none for them.
"""

import ctypes
import os
import sys

FINIT_MODULE = {"x86_64": 313, "aarch64": 273}[os.uname().machine]
IGNORE_MODVERSIONS, IGNORE_VERMAGIC = 1, 2

libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(sys.argv[1], os.O_RDONLY)
if libc.syscall(FINIT_MODULE, fd, b"", IGNORE_MODVERSIONS | IGNORE_VERMAGIC) != 0:
    sys.exit(f"{sys.argv[1]}: {os.strerror(ctypes.get_errno())}")
