"""What the adapter checks: LiteLLM's content filter, which needs no further service.

What is found is looked for by patterns and words, so it is a sieve and no proof: it knows the forms below and
no other. https://docs.litellm.ai/docs/proxy/guardrails/litellm_content_filter
"""

import hashlib
import json
from collections.abc import Iterator

from aistack.kinds import Manifest
from aistack.render.gateway.neutral import NeutralGateway, NeutralRoute

IN, OUT = "pre_call", "post_call"
"""LiteLLM's names for what comes in, and for what goes out, as a stream too."""
PERSONAL = (
    "email",
    "us_phone",
    "fr_phone",
    "us_ssn",
    "credit_card",
    "iban",
    "nl_bsn_contextual",
    "fr_nir",
    "eu_passport_generic",
    "br_cpf",
    "ca_sin",
    "au_tfn",
    "sg_nric",
    "street_address",
)
"""LiteLLM's patterns for what identifies a person. Left out are those that any nine digits match."""
PHONE = r"(?<!\w)\+[1-9][0-9 ().-]{6,18}[0-9]\b"
"""A telephone number with its country's code, as ITU-T E.123 writes it."""
INJECTIONS = (
    "prompt_injection_jailbreak",
    "prompt_injection_system_prompt",
    "prompt_injection_data_exfiltration",
)
"""LiteLLM's lists of what people write to have a model forget what it was told."""

CONTENT_FILTER = "content_filter.ContentFilter"
"""LiteLLM's, as content_filter.py has it."""


def guardrails_of(route: NeutralRoute) -> dict[str, Manifest]:
    """Each of a route's guardrails by its name in LiteLLM; equal ones have equal names."""
    found = [_filter(settings) for settings in _settings(route)]
    return {each["guardrail_name"]: each for each in found}


def guardrails(gateway: NeutralGateway) -> list[Manifest]:
    """Those of all routes, each once; none runs but where a request orders it.

    LiteLLM runs them in this order: what refuses comes first, for what is masked it would not find.
    """
    found = {name: each for route in gateway.intercepted for name, each in guardrails_of(route).items()}
    return sorted(found.values(), key=lambda each: "patterns" in each["litellm_params"])


def _filter(settings: Manifest) -> Manifest:
    parameters = {"guardrail": CONTENT_FILTER, "default_on": False, **settings}
    digest = hashlib.sha256(json.dumps(parameters).encode()).hexdigest()[:8]
    return {"guardrail_name": f"filter-{digest}", "litellm_params": parameters}


def _settings(route: NeutralRoute) -> Iterator[Manifest]:
    allowed = {"allowed_words": list(route.allowed_words)}
    if "PromptInjection" in route.guardrails:
        categories = [{"category": name, "enabled": True, "action": "BLOCK"} for name in INJECTIONS]
        yield {"mode": [IN], "categories": categories, **allowed}
    if route.denied_words:
        words = [{"keyword": word, "action": "BLOCK"} for word in route.denied_words]
        yield {"mode": [IN, OUT], "blocked_words": words, **allowed}
    if "PIIMask" in route.guardrails:
        known = [{"pattern_type": "prebuilt", "pattern_name": name, "action": "MASK"} for name in PERSONAL]
        phone = {"pattern_type": "regex", "pattern": PHONE, "name": "phone", "action": "MASK"}
        yield {"mode": [IN, OUT], "patterns": [*known, phone], **allowed}
