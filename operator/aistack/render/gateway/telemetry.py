"""What is known of a request afterwards: a line in the log and a few counters, no prompt and no answer."""

from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.body import CACHED, TOKENS
from aistack.render.gateway.envoy import CLIENT_HEADER, METADATA, extension, meeting
from aistack.render.gateway.estimates import ESTIMATES, PACE, estimated
from aistack.render.gateway.interception import CACHE_HEADER, EMBEDDING_SUFFIX, ORDER_HEADER
from aistack.render.gateway.logsink import sink_log
from aistack.render.gateway.neutral import NeutralGateway
from aistack.render.gateway.queueing import ROUTE_HEADER

SCOPE = {"prefix": "aistack", "max_counters": 50_000, "max_histograms": 5_000}
"""Each combination of labels that was seen is kept: very many clients and routes must not fill the memory."""

CUT = ("UC", "UR", "UPE", "SI")
"""Envoy's flags of an answer that the model's side ended too early, or did not go on with for too long."""

FIRST_BYTE = "%COMMON_DURATION(DS_RX_BEG:US_RX_BODY_BEG:ms)%"
"""Of an answer's body: vLLM sends the headers of a stream before it has a token."""


def loggers(gateway: NeutralGateway) -> Iterator[Manifest]:
    where = [*_not_intercepted(gateway), *([_without(ROUTE_HEADER)] if gateway.queue else [])]
    yield from logs(gateway)
    yield requests()
    yield from tokens(*where)
    yield estimates(*where)
    yield first_tokens(*where)
    yield answer_times(*where)
    yield broken_answers()
    if gateway.resolved.needs_cache:
        yield answers_given_again()


def inner_loggers(gateway: NeutralGateway) -> Iterator[Manifest]:
    """Of what is asked behind the clients: what models took. Requests are counted where clients ask."""
    where = _not_intercepted(gateway) if gateway.queue else []
    yield from logs(gateway)
    yield _stats(counters=[_bytes_of_requests()])
    yield from tokens(*where)
    yield estimates(*where)
    yield first_tokens(*where)
    yield answer_times(*where)
    if gateway.finds_similar:
        yield embeddings()


def logs(gateway: NeutralGateway) -> Iterator[Manifest]:
    """One line a request, in JSON, and the same to the sink."""
    known = record(redacted=bool(gateway.resolved.spec.logging.redact))
    line = {"json_format": {"time": "%START_TIME%", **known}}
    yield extension("stdout", "access_loggers.stream.v3.StdoutAccessLog", log_format=line)
    if sink := gateway.resolved.spec.logging.sink:
        yield sink_log(gateway, sink, known)


def record(*, redacted: bool) -> dict[str, str]:
    """What is known of a request, by Envoy's formats; never a prompt, an answer or a key.

    `model` and `stream` are a client's words, cut off where those that mean something end. Redacted, nothing
    is: the name is the route's, and whether it was a stream is told by the route's entry.
    """
    own = {
        "model": f"%DYNAMIC_METADATA({METADATA}:model):128%",
        "stream": f"%DYNAMIC_METADATA({METADATA}:stream):5%",
    }
    return {
        "id": "%REQ(x-request-id):64%",
        "client": f"%REQ({CLIENT_HEADER})%",
        **({"model": f"%METADATA(ROUTE:{METADATA}:route)%"} if redacted else own),
        "route": "%ROUTE_NAME%",
        "target": f"%UPSTREAM_METADATA({METADATA}:target)%",
        "address": "%UPSTREAM_HOST%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "milliseconds": "%DURATION%",
        "firstByteMilliseconds": FIRST_BYTE,
        "inputTokens": _read("prompt_tokens"),
        "outputTokens": _read("completion_tokens"),
        "cachedTokens": _read(CACHED),
        "bytesIn": "%BYTES_RECEIVED%",
        "bytesOut": "%BYTES_SENT%",
    }


def requests() -> Manifest:
    """How many there were, how large and how long, by names that the stack declares: never by what a client
    writes, or anyone could fill the memory with names.
    """
    labels = _labels()
    status = {"name": "status", "value_format": "%RESPONSE_CODE%"}
    return _stats(
        counters=[
            {"stat": {"name": "requests_total", "tags": [*labels, status]}, "value_fixed": 1},
            _bytes_of_requests(),
            {"stat": {"name": "answer_bytes_total", "tags": labels}, "value_format": "%BYTES_SENT%"},
        ],
        histograms=[
            {
                "stat": {"name": "request_milliseconds", "tags": labels},
                "unit": "Milliseconds",
                "value_format": "%DURATION%",
            }
        ],
    )


def answer_times(*where: Manifest) -> Manifest:
    """How long a target took for an answer that came to its end, and that nobody else was asked for before:
    who fails at once isn't fast, and who was asked late isn't slow.
    """
    good = "response.code < 400 && response.flags == 0 && upstream.request_attempt_count == 1"
    milliseconds = {
        "stat": {"name": "answer_milliseconds", "tags": _labels()[1:]},
        "unit": "Milliseconds",
        "value_format": "%DURATION%",
    }
    return _where(_stats(histograms=[milliseconds]), meeting(good), *where)


def _bytes_of_requests() -> Manifest:
    return {"stat": {"name": "request_bytes_total", "tags": _labels()}, "value_format": "%BYTES_RECEIVED%"}


def tokens(*where: Manifest) -> Iterator[Manifest]:
    """Each sort where an answer says how many: vectors have none that is written, and few providers tell of
    their caches.
    """
    for name in (*TOKENS, CACHED):
        yield _where(_stats(counters=[_counter(name)]), _said(name), *where)


def estimates(*where: Manifest) -> Manifest:
    """Of answers that ended before they said how many."""
    answers = {"stat": {"name": "estimated_answers_total", "tags": _labels()}, "value_fixed": 1}
    counters = [
        {"stat": {"name": f"{kind}_tokens_total", "tags": _labels()}, "value_format": f"%CEL(int({count}))%"}
        for kind, count in ESTIMATES.items()
    ]
    return _where(_stats(counters=[answers, *counters]), estimated(), *where)


def first_tokens(*where: Manifest) -> Manifest:
    """Of streams that models have begun; of whole answers nobody sees it."""
    milliseconds = {
        "stat": {"name": "time_to_first_token_milliseconds", "tags": _labels()},
        "unit": "Milliseconds",
        "value_format": FIRST_BYTE,
    }
    return _where(_stats(histograms=[milliseconds]), _said(PACE), *where)


def answers_given_again() -> Manifest:
    """No model was asked, and they cost nothing."""
    expression = f"'{CACHE_HEADER}' in response.headers && response.headers['{CACHE_HEADER}'] == 'hit'"
    labels = [label for label in _labels() if label["name"] != "target"]
    counter = {"stat": {"name": "cached_answers_total", "tags": labels}, "value_fixed": 1}
    return _where(_stats(counters=[counter]), meeting(expression))


def embeddings() -> Manifest:
    """What was asked to find similar questions; without a 200 only the same one could be found."""
    status = {"name": "status", "value_format": "%RESPONSE_CODE%"}
    counter = {"stat": {"name": "embeddings_total", "tags": [*_labels(), status]}, "value_fixed": 1}
    return _where(_stats(counters=[counter]), meeting(f"xds.route_name.endsWith('{EMBEDDING_SUFFIX}')"))


def _where(logger: Manifest, *filters: Manifest) -> Manifest:
    return {**logger, "filter": filters[0] if len(filters) == 1 else {"and_filter": {"filters": filters}}}


def _said(name: str) -> Manifest:
    """Only where an answer said how many: Envoy would complain of every other one."""
    said = {"filter": METADATA, "path": [{"key": name}], "value": {"present_match": True}}
    return {"metadata_filter": {"matcher": said, "match_if_key_not_found": False}}


def _not_intercepted(gateway: NeutralGateway) -> list[Manifest]:
    """What the adapter hands on is counted when it asks for it."""
    return [_without(ORDER_HEADER)] if gateway.intercepted else []


def _without(header: str) -> Manifest:
    return {"header_filter": {"header": {"name": header, "present_match": True, "invert_match": True}}}


def _counter(name: str) -> Manifest:
    return {"stat": {"name": f"{name}_total", "tags": _labels()}, "value_format": _read(name)}


def broken_answers() -> Manifest:
    """Those that ended in their middle, of which their status says nothing."""
    began = {"op": "LE", "value": {"default_value": 399, "runtime_key": "aistack.unused"}}
    broken = [
        {"status_code_filter": {"comparison": began}},
        {"response_flag_filter": {"flags": list(CUT)}},
    ]
    counter = {"stat": {"name": "broken_answers_total", "tags": _labels()}, "value_fixed": 1}
    return {**_stats(counters=[counter]), "filter": {"and_filter": {"filters": broken}}}


def _stats(**fields: object) -> Manifest:
    return extension("stats", "access_loggers.stats.v3.Config", stats_scope=SCOPE, **fields)


def _labels() -> list[Manifest]:
    return [
        {"name": "client", "value_format": f"%REQ({CLIENT_HEADER})%"},
        {"name": "route", "value_format": f"%METADATA(ROUTE:{METADATA}:route)%"},
        {"name": "target", "value_format": f"%UPSTREAM_METADATA({METADATA}:target)%"},
    ]


def _read(name: str) -> str:
    return f"%DYNAMIC_METADATA({METADATA}:{name})%"
