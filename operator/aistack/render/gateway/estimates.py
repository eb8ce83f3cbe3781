"""How many tokens an answer took that ended before it said so: its client left, or it broke off.

What is missing is a stream's usage, which stands at its end. What was written is estimated by the bytes that
passed, and stream.lua says how many of them make a token. What was read is estimated by the request's size,
as for long contexts, so rather too many. A provider is paid for what it read also where nothing has come yet;
a model in the cluster has not begun then, or has lost little.

Answers that have a usage are never estimated, nor are those that no model gave.
"""

from aistack.kinds import Manifest
from aistack.render.gateway.envoy import MANAGED_SUFFIX, METADATA, meeting

READ = f"metadata.filter_metadata['{METADATA}']"
USAGE, PACE, REQUEST = "prompt_tokens", "bytes_a_token", "estimated_prompt"
"""What of an answer and of its request is read by then."""
SENT_TO_PROVIDER = f"upstream.address.endsWith('{MANAGED_SUFFIX}')"
IS_ESTIMATED = (
    f"!has({READ}.{USAGE}) && has({READ}.{REQUEST})"
    f" && (has({READ}.{PACE}) || response.size == 0 && {SENT_TO_PROVIDER})"
)
ESTIMATES = {
    "estimated_prompt": f"({IS_ESTIMATED} ? {READ}.{REQUEST} : 0.0)",
    "estimated_completion": f"({IS_ESTIMATED} && has({READ}.{PACE})"
    f" ? double(int(double(response.size) / {READ}.{PACE})) : 0.0)",
}
"""In whole tokens, in CEL, at a request's end."""


def estimated() -> Manifest:
    """Of access logs, the filter for such answers; most have a usage, and need no expression."""
    said = {"filter": METADATA, "path": [{"key": USAGE}], "value": {"present_match": True}, "invert": True}
    unsaid = {"metadata_filter": {"matcher": said, "match_if_key_not_found": True}}
    return {"and_filter": {"filters": [unsaid, meeting(IS_ESTIMATED)]}}
