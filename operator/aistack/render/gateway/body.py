"""What the front reads from bodies: of a request its model, of an answer its usage. Nothing else is kept.

A stream says its usage only when it's asked to. So every stream is asked, unless its client has asked itself:
its last event but one then has `usage` and no choices.
"""

import json

from aistack.kinds import Manifest
from aistack.render.gateway.affinity import find_affinity
from aistack.render.gateway.degradation import DEGRADED_HEADER
from aistack.render.gateway.envoy import MAX_BODY, METADATA, extension, script, typed
from aistack.render.gateway.interception import CACHE_HEADER
from aistack.render.gateway.neutral import BYTES_PER_TOKEN, NeutralRoute
from aistack.render.gateway.replies import BAD_STREAM, UNCLEAR, as_text

READ = "json_to_metadata"
CHANGE = "body"
PIECES = "usage"
"""The filter for answers that are not held."""
LARGE_USAGE, PACE = "usage", "pace"
"""Its scripts."""
READ_TYPE = "filters.http.json_to_metadata.v3.JsonToMetadata"
TOKENS = ("prompt_tokens", "completion_tokens")
"""The fields of an answer's `usage` that are read."""
CACHED = "cached_tokens"
"""The field of its `prompt_tokens_details`: how many of those it read a provider had in its cache."""
LARGEST_EVENT = 1024 * 1024
"""Bytes of one event of a stream that are looked at for its usage."""


def reading() -> list[Manifest]:
    """The filters by which a listener learns what it has to know of requests and answers."""
    return [hold_body(), read_body(), read_usage_of_streams(), read_pieces(), find_affinity()]


def hold_body() -> Manifest:
    """The whole request, or 413; one that came in pieces has a length afterwards."""
    return extension("buffer", "filters.http.buffer.v3.Buffer", max_request_bytes=MAX_BODY)


def read_body() -> Manifest:
    """The body's `model` and `stream` decide the route; a route is looked up again once they are known."""
    whole = {"allow_content_types_regex": {"regex": "application/json.*"}, "rules": _usage()}
    return extension(READ, READ_TYPE, request_rules=_request(), response_rules=whole)


def without_usage() -> Manifest:
    """A path's configuration of it, for answers that may be too large to be held: usage.lua reads theirs."""
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


def read_pieces() -> Manifest:
    """The filter that runs usage.lua or stream.lua for the routes that ask for it."""
    no_models = f'local NO_MODELS = {{"{CACHE_HEADER}", "{DEGRADED_HEADER}"}}\n'
    scripts = {LARGE_USAGE: script("usage.lua"), PACE: no_models + script("stream.lua")}
    codes = {name: {"inline_string": text} for name, text in scripts.items()}
    return extension(PIECES, "filters.http.lua.v3.Lua", source_codes=codes)


def with_large_answers() -> Manifest:
    """A route's configuration of it."""
    return _in_pieces(LARGE_USAGE)


def with_streams() -> Manifest:
    """The same of a route of streams."""
    return _in_pieces(PACE)


def _in_pieces(name: str) -> Manifest:
    return {PIECES: typed("extensions.filters.http.lua.v3.LuaPerRoute", name=name)}


def change_body() -> Manifest:
    """The filter that runs body.lua; it leaves a request alone until a route says otherwise."""
    refusals = f"local UNCLEAR, BAD_STREAM = [[{as_text(UNCLEAR)}]], [[{as_text(BAD_STREAM)}]]\n"
    pace = f"local BYTES_PER_TOKEN = {BYTES_PER_TOKEN}\n"
    source = {"inline_string": refusals + pace + script("body.lua")}
    return extension(CHANGE, "filters.http.lua.v3.Lua", default_source_code=source)


def read_by_one_meaning(route: NeutralRoute, *, stream: bool) -> Manifest:
    """A route's configuration of it: what two readers may take for different requests is refused, each stream
    asked for its usage, and a longer answer than a client may ask for shortened.
    """
    most = {"most": route.max_output_tokens} if route.max_output_tokens else {}
    return _changing(**most, **({"usage": True} if stream else {}))


def with_members(members: Manifest) -> Manifest:
    """The same on the way out: these members are set, whatever the client wrote there."""
    return _changing(set={name: json.dumps(value) for name, value in members.items()})


def _changing(**context: object) -> Manifest:
    per_route = typed("extensions.filters.http.lua.v3.LuaPerRoute", filter_context={"read": True, **context})
    return {CHANGE: per_route}


def _request() -> Manifest:
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
