"""Prints every request that was read to its end, its body in hexadecimal digits, then answers it."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Reads(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        # Any method is served.
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self):
        body = self.body()
        # Not `self.path`: the library makes one slash of several at its beginning, after it has read them.
        target = self.requestline.split()[1]
        print("read", self.command, target, body.hex(), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"read")

    def body(self):
        # The library leaves the coding to the program.
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self.chunks())
        return self.exactly(int(self.headers.get("Content-Length", "0")))

    def chunks(self):
        while size := int(self.line().split(b";")[0], 16):
            yield self.exactly(size)
            self.line()
        while self.line().strip():
            pass

    def exactly(self, size):
        read = self.rfile.read(size)
        if len(read) < size:
            raise ConnectionError("the body broke off")
        return read

    def line(self):
        line = self.rfile.readline()
        if not line:
            raise ConnectionError("the body broke off")
        return line

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Reads)
print("listening", server.server_port, flush=True)
server.serve_forever()
