#!/usr/bin/env python3
"""Call a service of the mesh through the node on this machine.

    call.py demo.echo hello
    echo hello | call.py demo.echo
    call.py --timeout 2 --api http://127.0.0.1:4435 demo.echo hello

The API's address is that of MACULA_API, the token that of MACULA_API_TOKEN.
The reply goes to the standard output. The exit code is 0 when there is one,
2 when the call may succeed later, and 1 for everything else.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request


def headers():
    """What every request needs: the token, or without one the mark that no
    page of the web can send."""
    token = os.environ.get("MACULA_API_TOKEN")
    if token:
        return {"Authorization": "Bearer " + token}
    return {"Macula-Api": "1"}


def main():
    parser = argparse.ArgumentParser(description="Call a service of the mesh.")
    parser.add_argument("service")
    parser.add_argument("body", nargs="?", help="the request; without it, the standard input")
    parser.add_argument("--api", default=os.environ.get("MACULA_API", "http://127.0.0.1:4435"))
    parser.add_argument("--timeout", type=float, default=10, help="in seconds")
    parser.add_argument("--idempotent", action="store_true", help="it may be executed twice")
    args = parser.parse_args()

    body = args.body.encode() if args.body is not None else sys.stdin.buffer.read()
    request = urllib.request.Request(
        args.api + "/v1/call/" + urllib.parse.quote(args.service, safe=""),
        data=body,
        method="POST",
        headers={
            **headers(),
            "Content-Type": "application/octet-stream",
            "Macula-Timeout-Ms": str(int(args.timeout * 1000)),
            "Macula-Idempotent": "true" if args.idempotent else "false",
        },
    )
    try:
        # The node keeps the deadline; the second is for its answer.
        with urllib.request.urlopen(request, timeout=args.timeout + 1) as reply:
            sys.stdout.buffer.write(reply.read())
        return 0
    except urllib.error.HTTPError as error:
        text = error.read()
        try:
            why = json.loads(text)["error"]
        except (ValueError, KeyError):
            why = text.decode(errors="replace").strip()
        print(f"{args.service}: {why}", file=sys.stderr)
        return 2 if error.code in (429, 503) else 1
    except OSError as error:
        print(f"the node at {args.api} does not answer: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
