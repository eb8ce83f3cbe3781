"""The queue: holds the requests that no model could answer, and asks for them again in their order.

The front sends a request here when every target and fallback has failed. It stays, with its client's
connection, in the memory of the pod that took it, until it has its turn; then the pod asks the front again,
behind the clients, and hands the answer on as it comes. What the pods share is the line: which request came
when, how many are out at once, and how long a route rests after a failure. That is in Redis, as names and
numbers; no prompt and no answer is.

A pod that is lost loses no request: the front sends what it held to another pod, where it has the place that
its arrival gives it. A Redis that is lost loses none either: each pod tells it again whom it holds.

    python -m queueing --redis=HOST:PORT --front=http://HOST:PORT …

On port 8080 requests, on port 9902 /ready and /metrics (for Prometheus).
"""
