"""What a review costs the webhook: the CPU from a review's bytes to its answer's, on one core."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

from aistack.admission.request import AdmissionRequest
from aistack.admission.review import Verdict, review
from aistack.admission.server import respond
from aistack.api import AIPolicy, AIStack
from aistack.catalog import Catalog
from aistack.cli.files import accelerator_classes, read
from aistack.cost.prices import DEFAULT, index, shipped_book
from aistack.govern import Policies
from aistack.images import default_images
from aistack.platform import Platform
from bench.measure import Measure, of_rounds
from tests import reviews as sent

POLICIES = Path(__file__).parents[1] / "policies"
REVIEWS = 200
"""In one round."""


def reviews(rounds: int) -> list[Measure]:
    """A stack that all shipped rules are about, without and with them; the two take turns."""
    shipped = tuple(each.parsed for each in read([str(POLICIES)]) if isinstance(each.parsed, AIPolicy))
    documents = read([str(POLICIES / "tests/base.yaml")])
    (stack,) = (each.parsed for each in documents if isinstance(each.parsed, AIStack))
    body = orjson.dumps(sent.review(stack.dump()))
    catalog = Catalog(default_images(), accelerator_classes(documents))
    prices = index({DEFAULT: shipped_book()})
    governed = Policies(shipped, (), {"people": {}}, datetime.now(UTC))
    bare, whole = Platform(catalog, prices), Platform(catalog, prices, governed)
    asyncio.run(_round(body, whole))  # compiles the rules
    without, with_rules = [], []
    for _ in range(rounds):
        without.append(asyncio.run(_round(body, bare)))
        with_rules.append(asyncio.run(_round(body, whole)))
    rules = sum(len(policy.spec.rules) for policy in shipped)
    return [
        of_rounds("review: CPU without policies", 1, without, "ms"),
        of_rounds(f"review: CPU with {rules} rules", 1, with_rules, "ms", 0.5),
        of_rounds(f"review: a second a core with {rules} rules", 1, [1000 / each for each in with_rules]),
    ]


async def _round(body: bytes, platform: Platform) -> float:
    """Milliseconds of CPU a review."""

    async def decide(request: AdmissionRequest) -> Verdict:
        return review(request, platform)

    begun = time.process_time()
    for _ in range(REVIEWS):
        await respond(body, decide)
    return (time.process_time() - begun) / REVIEWS * 1000
