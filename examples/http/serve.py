#!/usr/bin/env python3
"""Answer a service of the mesh with a few lines of Python.

    serve.py demo.shout

An HTTP server on this machine takes the calls; the node is told of it by PUT,
and by DELETE when this program ends. The API's address is that of MACULA_API,
the token that of MACULA_API_TOKEN. A handler that raises is an error of the
application for the caller.
"""

import argparse
import http.server
import json
import os
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request

MOST = 1 << 20  # the node sends no larger body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > MOST:
            self.answer(413, b"too large")
            return
        body = self.rfile.read(length)
        try:
            self.answer(200, shout(body, self.headers.get("Macula-Caller")))
        except Exception as error:
            self.answer(500, str(error).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def shout(body, caller):
    """The service: what was said, in capital letters."""
    if not body:
        raise ValueError("say something")
    return body.decode().upper().encode()


def ask(api, method, name, body=None):
    token = os.environ.get("MACULA_API_TOKEN")
    headers = {"Authorization": "Bearer " + token} if token else {"Macula-Api": "1"}
    request = urllib.request.Request(
        api + "/v1/services/" + urllib.parse.quote(name, safe=""),
        data=json.dumps(body).encode() if body is not None else None,
        method=method,
        headers={**headers, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            return None
    except urllib.error.HTTPError as error:
        text = error.read()
        try:
            return json.loads(text)["error"]
        except (ValueError, KeyError):
            return text.decode(errors="replace").strip()
    except OSError as error:
        return f"the node at {api} does not answer: {error}"


def main():
    parser = argparse.ArgumentParser(description="Provide a service that shouts.")
    parser.add_argument("service")
    parser.add_argument("--api", default=os.environ.get("MACULA_API", "http://127.0.0.1:4435"))
    parser.add_argument("--port", type=int, default=0, help="of the server; 0: any")
    args = parser.parse_args()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    where = f"http://127.0.0.1:{server.server_address[1]}/"
    why = ask(args.api, "PUT", args.service, {"url": where})
    if why:
        print(f"{args.service}: {why}", file=sys.stderr)
        return 1

    def stop(*_):
        for one in (signal.SIGTERM, signal.SIGINT):  # the next one must not cut off the withdrawal
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"{args.service} is answered at {where}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    why = ask(args.api, "DELETE", args.service)
    if why:
        print(f"{args.service}: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
