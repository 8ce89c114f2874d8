"""An agent's control API in Python: serves a status, and remembers what it is asked for."""

import datetime
import http.server
import json
import os
import secrets
import socket
import threading
import urllib.parse


def moment(seconds=0):
    """A time that many seconds from now, as the API writes it."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def relay(url, name=None, **members):
    """A relay in a stock agent's status; with a name, the tunnel is registered there."""
    found = {"relay_url": url, "explicit": True, "connecting": False, "bootstrap": True,
             "banned": False, "supports_overlay": False, "supports_udp": False,
             "supports_tcp": False, "version": "v2.2.2"}
    if name:
        found["public_url"] = url.replace("https://", f"https://{name}.")
    found.update(members)
    return found


def tunnel(identity, port=3000, relays=(), **members):
    """A tunnel in a stock agent's status."""
    found = {"id": identity, "name": identity, "address": "0x" + "ab" * 20, "state": "running",
             "target_addr": f"127.0.0.1:{port}", "max_active_relays": 3, "metadata": {},
             "relays": list(relays)}
    found.update(members)
    return found


class Agent:
    """A scripted agent. Its status is a dict, which a story changes."""

    def __init__(self, directory, tunnels=(), **members):
        os.makedirs(directory, exist_ok=True)
        self.state_dir = directory
        self.token = "agent_" + secrets.token_hex(8)
        self.status = {"config_path": "/etc/agent/config.toml", "tunnels": list(tunnels)}
        self.status.update(members)
        self.lines = None  # of the log; None: there is no log API
        self.refusal = None  # (code, message): the answer to the next changes
        self.requests = []  # (method, path, body)
        self.polls = 0
        self.connections = set()
        self.lock = threading.Lock()
        self.server = None
        self.start()

    def start(self):
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                agent.connections.add(self.connection)

            def finish(self):
                super().finish()
                agent.connections.discard(self.connection)

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                status, data = agent.handle(self.command, self.path, body,
                                            self.headers.get("Authorization"))
                text = json.dumps(data).encode() + b"\n"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.status["control_addr"] = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.write_endpoint()

    def write_endpoint(self):
        path = os.path.join(self.state_dir, "agent-endpoint.json")
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump({"control_addr": self.status["control_addr"], "token": self.token}, f)
        os.rename(path + ".new", path)

    def stop(self, leaves_file=False):
        """Ends it; a killed agent leaves its endpoint file."""
        if self.server is None:
            return
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.server = None
        if not leaves_file:
            os.remove(os.path.join(self.state_dir, "agent-endpoint.json"))

    close = stop

    # What it answers.

    def handle(self, method, path, body, authorization):
        with self.lock:
            if authorization != f"Bearer {self.token}":
                return 401, self.error("unauthorized", "unauthorized")
            url = urllib.parse.urlsplit(path)
            if (method, url.path) == ("GET", "/v1/agent/status"):
                self.polls += 1
                return 200, {"data": self.status, "ok": True}
            if (method, url.path) == ("GET", "/v1/agent/log"):
                return self.log(urllib.parse.parse_qs(url.query))
            value = json.loads(body) if body else None
            self.requests.append((method, url.path.removeprefix("/v1/agent/"), value))
            if self.refusal:
                return 400, self.error(*self.refusal)
            self.apply(method, url.path.removeprefix("/v1/agent/").split("/"), value)
            return 202, {"data": {"accepted": True}, "ok": True}

    @staticmethod
    def error(code, message):
        return {"error": {"code": code, "message": message}, "ok": False}

    def log(self, query):
        if self.lines is None:
            return 404, self.error("not_found", "not found")
        after = int(query["after"][0])
        lines = [{"n": n, "at": moment(), "level": level, "text": text}
                 for n, (level, text) in enumerate(self.lines, 1) if n > after]
        return 200, {"data": {"lines": lines, "next": len(self.lines)}, "ok": True}

    def find(self, identity):
        for found in self.status["tunnels"]:
            if found["id"] == identity:
                return found
        return None

    def apply(self, method, path, value):
        """Just enough for the next status to show it."""
        tunnels = self.status["tunnels"]
        if path == ["tunnels"]:
            tunnels.append(tunnel(value.get("id") or value["name"], relays=[
                relay(url, value["name"]) for url in value["relays"]],
                target_addr=value["target_addr"]))
        elif path == ["tunnels", "restore"]:
            tunnels.append(tunnel(value["id"]))
        elif len(path) == 2 and method == "DELETE":
            tunnels.remove(self.find(path[1]))
        elif len(path) == 2:
            found = self.find(path[1])
            found["metadata"].update(value.get("metadata", {}))
            found.update({key: value[key] for key in value if key != "metadata"})
        elif path[2:] == ["multi-hop"]:
            self.find(path[1])["multi_hop"] = (value or {}).get("relays", [])
        elif path[2:] == ["relays"]:
            for found in self.find(path[1])["relays"]:
                if found["relay_url"] == value["relay_url"]:
                    found.pop("public_url", None)
                    found["connecting"] = method == "POST"
                    found["explicit"] = method == "POST"
        tunnels.sort(key=lambda found: found["id"])

    def wait_request(self, wait_until):
        """The next request that changes something."""
        return wait_until(lambda: self.requests and self.requests.pop(0), 10,
                          message="a request")
