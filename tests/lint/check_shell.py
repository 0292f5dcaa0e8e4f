# SPDX-License-Identifier: Apache-2.0
"""shellcheck has nothing to say about any shell script.

SC2016 (an expression in single quotes) is off: scripts here hand commands to shells in guests.
"""

import re
import subprocess

from common import Finding

NAME = "shell"


def files(tree):
    return sorted({*tree.written(".sh", ".bash"), *tree.scripts("bash", "sh", "dash")})


def check(tree):
    paths = files(tree)
    if not paths:
        return
    done = subprocess.run(["shellcheck", "-x", "-e", "SC2016", "-f", "gcc", *paths], cwd=tree.root,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in done.stdout.splitlines():
        match = re.match(r"^([^:]+):(\d+):\d+: (.*)$", line)
        if match:
            yield Finding(match.group(1), int(match.group(2)), match.group(3))
    if done.returncode > 1:
        yield Finding("shellcheck", 0, done.stdout.strip()[:200])


BAD = [
    {"tools/x": "#!/usr/bin/env bash\necho $1\n"},
    {"a.sh": "#!/bin/sh\ncd /x\nrm -rf ./*\n"},
    {"a.sh": "#!/bin/sh\nif true; then\n"},
]
GOOD = [{"tools/x": '#!/usr/bin/env bash\necho "$1"\n', "y": "echo $1\n"}]
