# SPDX-License-Identifier: Apache-2.0
"""What root may try on safeguard itself: one row an attempt, in the order in which
tests/vm/cases/tamper.py does them in a VM.

Each attempt is a function that does it and raises OSError, or subprocess.CalledProcessError, when it is refused. `@attempt(what, text)`:
what  PREVENTED   it has to be refused with EPERM, and the agent and what it enforces have to be as before; and there has to be a record
                  of that, by the rule "safeguard's own defence". `text` says which: what was tried (abi/guard.def) and, where that is
                  known, its number; empty: any, of a built-in rule about a file; NO_RECORD: the agent itself refuses it
      RECORDED    it does not fail, since it hits others as well, but the agent is left alone: its refusal has such a record
      FOUND       it succeeds, and `text` (a pattern) has to be in the log, the records or the status within 10 s
      WITHSTOOD   it hits everybody, and the agent lives, defends itself meanwhile and answers afterwards
      DOCUMENTED  it succeeds and nobody notices: `text` has to be a heading of docs/threat-model.md
"""
import attempts_process  # noqa: F401, I001
import attempts_cgroup  # noqa: F401
import attempts_kernel  # noqa: F401
import attempts_files  # noqa: F401
import attempts_host  # noqa: F401
from trying import (DOCUMENTED, FLOOD, FOUND, NO_RECORD, PREVENTED, RECORDED, ROWS, WITHSTOOD, NotHere, run,  # noqa: F401
                    syscall)
