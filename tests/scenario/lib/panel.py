"""The panel's API on the admin socket of a relay."""

import http.client
import json
import os
import socket


class Local(http.client.HTTPConnection):
    """HTTP over the relay's admin socket."""

    def __init__(self, relay):
        super().__init__("localhost", timeout=20)
        self.path = os.path.join(relay.state, "admin.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def api(relay, method, path, body=None):
    """(status, JSON or text) of a request with the authority of an administrator."""
    connection = Local(relay)
    connection.request(method, "/api" + path, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    is_json = "json" in answer.headers.get("Content-Type", "")
    return answer.status, json.loads(text) if is_json else text
