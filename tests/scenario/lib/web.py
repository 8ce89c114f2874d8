"""A web server to stand behind a backend flag or a tunnel, which remembers requests."""

import hashlib
import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.server.owner.requests.append(self)
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        text = self.server.owner.reply(self)
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Backend", "yes")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


def default_reply(request):
    return (f"{request.command} {request.path} {len(request.body)} "
            f"{hashlib.sha256(request.body).hexdigest()}").encode()


class Web:
    def __init__(self, reply=default_reply, listener=None):
        self.requests = []
        self.reply = reply
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler,
                                                      bind_and_activate=listener is None)
        if listener:
            self.server.socket.close()
            self.server.socket = listener
            self.server.server_address = listener.getsockname()
        self.server.daemon_threads = True
        self.server.owner = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
