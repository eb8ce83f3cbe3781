"""What metering costs the controller: the CPU of a look at one stack, from what gateways say to its book."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from aistack.api import AcceleratorClass, AIStack
from aistack.catalog import Catalog
from aistack.images import default_images
from aistack.platform import Platform
from aistack.spending import Book
from aistack.spending.book import dumped, entered
from aistack.spending.counters import COUNTED, read_counters
from aistack.spending.meter import Replica, Source, begun, read
from aistack.spending.rates import costs, rates_of
from bench.measure import Measure, of_rounds
from tests.costs import managed, prices, shared
from tests.stacks import accelerator_class, hosted, stack

LOOKS = 100
"""In one round."""
CLIENTS = 20
"""Who all ask two replicas of the gateway between two looks."""
START = datetime(2026, 11, 10, tzinfo=UTC)
ZONE = ZoneInfo("UTC")


def metering(rounds: int) -> list[Measure]:
    """A self-hosted model and a managed one: while nobody asks them, and while everybody does."""
    asked = [_round(clients=CLIENTS) for _ in range(rounds)]
    idle = [_round(clients=0) for _ in range(rounds)]
    return [
        of_rounds("metering: CPU of a look while nobody asks", 1, idle, "ms", 2),
        of_rounds(f"metering: CPU of a look at {CLIENTS} clients, written", 1, asked, "ms"),
    ]


def _round(*, clients: int) -> float:
    """Milliseconds of CPU a look."""
    catalog = Catalog(default_images(), {"nvidia-l4": AcceleratorClass.parse(accelerator_class())})
    platform, manifest = Platform(catalog, prices()), stack(**shared(hosted(), managed()))
    answers = [_answer(look, clients) for look in range(LOOKS)]
    book = Book(begun(START), "USD")
    spent = time.process_time()
    for look, answer in enumerate(answers, 1):
        meaning = platform.resolve(AIStack.read(manifest)).meaning
        assert meaning
        fronts = [
            Source(uid, Replica("gateway"), START, read_counters(answer), counts=True) for uid in ("a", "b")
        ]
        sources = [*fronts, Source("c", Replica("model/llama"), START)]
        meter, use = read(book.meter, sources, START + look * timedelta(minutes=2))
        book = entered(book, meter, use, costs(use, rates_of(meaning, platform.prices)), ZONE)
        if clients:
            dumped(book)
    return (time.process_time() - spent) / LOOKS * 1000


def _answer(look: int, clients: int) -> str:
    """What a replica has counted until then."""
    return "\n".join(
        f'aistack_{name}_total{{client="client-{number}",route="chat",target="{target}"}} {look * 1000}'
        for number in range(clients)
        for target in ("llama", "gpt")
        for name in COUNTED
    )
