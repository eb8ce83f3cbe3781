"""What the front reads from bodies: of a request its model, of an answer its usage. Nothing else is kept.

A stream says its usage only when it's asked to. So every stream is asked, unless its client has asked itself:
its last event but one then has `usage` and no choices.
"""

import json
from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import MAX_BODY, METADATA, extension, typed
from aistack.render.gateway.neutral import NeutralRoute

READ = "json_to_metadata"
CHANGE = "transform"
READ_TYPE = "filters.http.json_to_metadata.v3.JsonToMetadata"
CHANGE_TYPE = "filters.http.transform.v3.TransformConfig"
TOKENS = ("prompt_tokens", "completion_tokens")
"""The fields of an answer's `usage` that are read."""
CACHED = "cached_tokens"
"""The field of its `prompt_tokens_details`: how many of those it read a provider had in its cache."""
LENGTHS = ("max_completion_tokens", "max_tokens")
"""The fields of a request that bound its answer's length: the first of chats only."""
LARGEST_EVENT = 1024 * 1024
"""Bytes of one event of a stream that are looked at for its usage."""


def hold_body() -> Manifest:
    """The whole request, or 413; one that came in pieces has a length afterwards."""
    return extension("buffer", "filters.http.buffer.v3.Buffer", max_request_bytes=MAX_BODY)


def read_body() -> Manifest:
    """The body's `model` and `stream` decide the route; a route is looked up again once they are known."""
    whole = {"allow_content_types_regex": {"regex": "application/json.*"}, "rules": _usage()}
    return extension(READ, READ_TYPE, request_rules=_request(), response_rules=whole)


def without_usage() -> Manifest:
    """A path's configuration of it, for answers that may be too large to be held."""
    return {READ: typed(f"extensions.{READ_TYPE}", request_rules=_request())}


def read_usage_of_streams() -> Manifest:
    """The last event with a usage counts."""
    rules = [{"rule": rule} for rule in _usage()]
    parser = extension("json", "content_parsers.json.v3.JsonContentParser", rules=rules)
    return extension(
        "sse_to_metadata",
        "filters.http.sse_to_metadata.v3.SseToMetadata",
        response_rules={"max_event_size": LARGEST_EVENT, "content_parser": parser},
    )


def change_request() -> Manifest:
    """The filter changes nothing until a route says so."""
    return extension(CHANGE, CHANGE_TYPE)


def changed(route: NeutralRoute, *, usage: bool) -> Manifest:
    """A route's configuration of it; none where nothing is to change. What a client wrote into
    `stream_options` is replaced, and a longer answer than it may ask for shortened.
    """
    options: Manifest = {"stream_options": {"include_usage": True}} if usage else {}
    if route.max_output_tokens:
        # The rest comes behind commas, so there has to be some: the model is what it was.
        rest = json.dumps(options | {"model": route.name}).removeprefix("{")
        text = "{" + " ".join(_shortened(route.max_output_tokens)) + rest
        merged: Manifest = {"text_format_source": {"inline_string": text}}
    elif options:
        merged = {"json_format": options}
    else:
        return {}
    change = {"request_transformation": {"body_transformation": {"action": "MERGE", "body_format": merged}}}
    return {CHANGE: typed(f"extensions.{CHANGE_TYPE}", **change)}


def _shortened(most: int) -> Iterator[str]:
    """A limit of the client's own that is too high becomes `most`; without one it becomes the path's."""
    read = f"metadata.filter_metadata['{METADATA}']"
    chat, text = LENGTHS
    none = " && ".join(f"!has({read}.{name})" for name in LENGTHS)
    is_chat = "request.url_path.endsWith('/chat/completions')"
    conditions = [(name, f"has({read}.{name}) && {read}.{name} > {most}.0") for name in LENGTHS]
    conditions += [(chat, f"{none} && {is_chat}"), (text, f"{none} && !{is_chat}")]
    for name, condition in conditions:
        yield f"%CEL({condition} ? '\"{name}\": {most}, ' : '')%"


def _request() -> Manifest:
    usage = [{"key": "stream_options"}, {"key": "include_usage"}]
    return {
        "allow_empty_content_type": True,
        "allow_content_types_regex": {"regex": ".*"},
        "rules": [
            {
                "selectors": [{"key": "model"}],
                "on_present": _remember("model", type="STRING"),
                "on_missing": _remember("bad", value="no_model"),
                "on_error": _remember("bad", value="not_json"),
            },
            {"selectors": [{"key": "stream"}], "on_present": _remember("stream")},
            {"selectors": usage, "on_present": _remember("asks_usage")},
            *(
                {"selectors": [{"key": name}], "on_present": _remember(name, type="NUMBER")}
                for name in LENGTHS
            ),
        ],
    }


def _usage() -> list[Manifest]:
    fields = {name: (name,) for name in TOKENS} | {CACHED: ("prompt_tokens_details", CACHED)}
    return [
        {
            "selectors": [{"key": key} for key in ("usage", *path)],
            "on_present": _remember(name, type="NUMBER"),
        }
        for name, path in fields.items()
    ]


def _remember(key: str, **fields: str) -> Manifest:
    return {"metadata_namespace": METADATA, "key": key, **fields}
