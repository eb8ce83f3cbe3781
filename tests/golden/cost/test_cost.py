"""What `aistack cost` says is what was read in review, and what docs/cost.md shows."""

from decimal import Decimal
from math import ceil
from pathlib import Path

import pytest

from tests.golden.cost import FOLDER, cases, golden, text

EXAMPLE = FOLDER / "known.yaml"
DOCUMENT = Path(__file__).parents[3] / "docs" / "cost.md"


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.stem)
def test_a_stacks_cost_is_said_as_in_its_golden_text(case: Path) -> None:
    assert text(case) == golden(case).read_text(), "run `make golden` and read the difference"


def test_the_document_shows_the_worked_example_as_it_is_printed() -> None:
    assert f"```\n{golden(EXAMPLE).read_text().strip()}\n```" in DOCUMENT.read_text()


def test_the_worked_example_is_what_a_person_computes() -> None:
    """With the numbers of known.yaml and nothing of ours."""
    requests = Decimal(2_250_000)
    hours = 730
    claude = {
        "min": requests * Decimal("0.2"),
        "expected": requests * (Decimal("0.2") * Decimal("0.99") + Decimal("0.8") * Decimal("0.01")),
        "max": requests * (Decimal("0.2") * Decimal("0.9") + Decimal("0.8") * Decimal("0.1")),
    }
    one_replica = 1200 * Decimal("0.6") * hours * 3600
    wanted = ceil((requests - claude["expected"]) * 1150 / one_replica)
    replicas = {"min": 1, "expected": wanted, "max": 4}
    pods = {"min": 2, "expected": 2, "max": 4}
    core_hours = Decimal("0.27") + Decimal("0.5")
    memory_hours = Decimal("0.15625") + Decimal("0.75")
    sums = [
        replicas[use] * hours * Decimal("0.80")
        + 40 * Decimal("0.10")
        + pods[use] * hours * (core_hours * Decimal("0.03") + memory_hours * Decimal("0.004"))
        + claude[use] * (900 * 3 + 250 * 15) / 1_000_000
        + claude[use] * 900 * 4 / 2**30 * Decimal("0.09")
        for use in ("min", "expected", "max")
    ]
    (line,) = [line for line in golden(EXAMPLE).read_text().splitlines() if line.startswith("total")]
    assert line.split()[1:] == [f"{amount:.2f}" for amount in sums]
    assert wanted == 2


HOSTED = 730 * Decimal("0.80")
"""A replica of llama for a month."""
VOLUME = 40 * Decimal("0.10")
REQUEST = Decimal(900 * 3 + 250 * 15) / 1_000_000 + Decimal(900 * 4) / 2**30 * Decimal("0.09")
"""At claude: its tokens, and what is sent there."""
FRONTS = 2 * 730 * (Decimal("0.27") * Decimal("0.03") + Decimal("0.15625") * Decimal("0.004"))
ADAPTERS = 2 * 730 * (Decimal("0.5") * Decimal("0.03") + Decimal("0.75") * Decimal("0.004"))
A_REPLICA_SERVES = 1200 * Decimal("0.6") * 730 * 3600


def printed(beginning: str) -> str:
    (line,) = [
        line for line in golden(EXAMPLE).read_text().splitlines() if line.strip().startswith(beginning)
    ]
    return line


def test_the_break_even_is_what_a_person_computes() -> None:
    """One replica against as many tokens; each further one is busy before it is dearer, up to four."""
    even = ceil((HOSTED + VOLUME) / (REQUEST / 1150))
    assert even == 104_832_305
    low, high, most = int(even * Decimal("0.75")), int(even * Decimal("1.25")), int(4 * A_REPLICA_SERVES)
    assert printed("llama against claude").strip() == (
        f"llama against claude: from {even:,} to {most:,} tokens a month "
        f"(break-even {low:,} to {high:,}, ±25 %)"
    )


@pytest.mark.parametrize(("volume", "requests"), [("0.1x", 225_000), ("1x", 2_250_000)])
def test_the_alternatives_are_what_a_person_computes(volume: str, requests: int) -> None:
    """Claude alone has no volume, llama alone no adapter."""
    to_claude = requests * (Decimal("0.2") * Decimal("0.99") + Decimal("0.8") * Decimal("0.01"))
    shared = HOSTED * ceil((requests - to_claude) * 1150 / A_REPLICA_SERVES)
    alone = HOSTED * ceil(Decimal(requests) * 1150 / A_REPLICA_SERVES)
    sums = (
        shared + VOLUME + FRONTS + ADAPTERS + to_claude * REQUEST,
        FRONTS + ADAPTERS + requests * REQUEST,
        alone + VOLUME + FRONTS,
    )
    assert printed(f"{volume} requests").split()[2:] == [f"{amount:.2f}" for amount in sums]


def test_the_documents_change_of_replicas_is_what_a_person_computes() -> None:
    """Three replicas at least and five at most, where two are expected and four the most."""
    before = [Decimal(amount) for amount in printed("total").split()[2:]]
    expected, most = (amount + HOSTED for amount in before)
    change = f"**+{HOSTED:.2f} ({HOSTED / before[0]:+.0%}) USD**"
    row = f"| {before[0]} | {expected:.2f} | {change} | {before[1]} | {most:.2f} |"
    assert row in DOCUMENT.read_text()
