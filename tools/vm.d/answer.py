# SPDX-License-Identifier: Apache-2.0
"""In the guest of the selftest: answers requests on eth0 until one asks for /end.

Some come late: of clients that gave up while the guest was starting.
"""

import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the guest")
        if self.path == "/end":
            sys.exit(0)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("10.0.2.15", 9000), Handler)
server.serve_forever()
