"""What a client of a stack does, in a pod of the stack's namespace: standard library only.

    python3 -c "$(cat client.py)" '{"url": …, "model": …, "text": …, "stream": …, "key": …, "clients": …, …}'

So many clients ask once each; with an input that stays open they ask again and again until it is closed.
Prints one JSON object an answer, and at last how many there were, so that a reader knows whether it has them
all.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.request

PAUSE = 0.1  # seconds: the machine has other work


def main(wish: "dict[str, object]") -> None:
    over, lock = threading.Event(), threading.Lock()
    statuses = []

    def work() -> None:
        while True:
            answer = ask(wish)
            with lock:
                statuses.append(answer["status"])
                print(json.dumps(answer), flush=True)
            if over.wait(PAUSE):
                return

    threads = [threading.Thread(target=work) for _ in range(int(str(wish["clients"])))]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"answers": len(statuses)}), flush=True)


def ask(wish: "dict[str, object]") -> "dict[str, object]":
    """status (0 without an answer), the text, how many events a stream had, whether it was complete, and
    whether it is one that was kept."""
    began = time.monotonic()
    answer: dict[str, object] = {"at": time.time(), "status": 0, "text": "", "events": 0, "complete": False}
    try:
        with urllib.request.urlopen(request(wish), timeout=float(str(wish["patience"]))) as response:  # noqa: S310 - the tests' own URL
            answer["status"] = response.status
            answer["kept"] = response.headers.get("x-aistack-cache") == "hit"
            answer.update(read_stream(response) if wish["stream"] else read_whole(response))
    except urllib.error.HTTPError as error:
        answer.update(status=error.code, text=error.read().decode(errors="replace"))
    except (OSError, ValueError) as error:
        answer.update(text=f"{type(error).__name__}: {error}")
    answer["seconds"] = round(time.monotonic() - began, 3)
    return answer


def request(wish: "dict[str, object]") -> urllib.request.Request:
    url, body = str(wish["url"]), {"model": wish["model"]}
    if url.endswith("/embeddings"):
        body["input"] = wish["text"]
    else:
        body |= {"max_tokens": 8, "messages": [{"role": "user", "content": wish["text"]}]}
        body |= {"stream": True} if wish["stream"] else {}
    headers = {"Content-Type": "application/json"}
    if wish["key"]:
        headers["Authorization"] = f"Bearer {wish['key']}"
    return urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - as above


def read_whole(response) -> "dict[str, object]":  # type: ignore[no-untyped-def]  # urllib's has no public type
    body = json.loads(response.read())
    if "data" in body:
        return {"text": "", "vector": len(body["data"][0]["embedding"]), "complete": True}
    return {"text": body["choices"][0]["message"]["content"], "complete": True}


def read_stream(response) -> "dict[str, object]":  # type: ignore[no-untyped-def]  # as above
    text, events, complete = "", 0, False
    for line in response:
        data = line.decode().removeprefix("data: ").strip()
        if data == "[DONE]":
            complete = True
        elif data:
            choices = json.loads(data)["choices"]
            text += choices[0]["delta"].get("content") or "" if choices else ""
            events += 1
    return {"text": text, "events": events, "complete": complete}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
