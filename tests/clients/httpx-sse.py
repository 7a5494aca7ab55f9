"""PyPI `httpx-sse`: what it hears, as lines of JSON. `python httpx-sse.py URL`"""

import json
import sys
import time


import httpx
from httpx_sse import connect_sse


def say(line):
    print(json.dumps(line), flush=True)


def main(url):
    last, retry = "", 0.5
    with httpx.Client(timeout=httpx.Timeout(5.0, read=None)) as client:
        # It dials once; its README has a loop like this.
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    if source.response.status_code != 200:
                        return say("stopped")
                    for event in source.iter_sse():
                        last = event.id
                        if event.retry is not None:
                            retry = event.retry / 1000
                        say({"name": event.event, "data": event.data, "id": event.id})
            except httpx.TransportError:
                pass
            time.sleep(retry)


main(sys.argv[1])
