"""A price is known with its source, or unknown and named; it's never zero because nobody said anything."""

from decimal import Decimal

import pytest

from aistack.api.models import Managed
from aistack.cost.prices import (
    NO_PRICES,
    Price,
    Unknown,
    compute_prices,
    index,
    shipped_book,
    shipped_text,
    storage_price,
    token_prices,
    traffic_price,
)
from tests.costs import CLUSTER, GPT, SOURCE, book, prices

GPT_MODEL = Managed(provider="openai", model="gpt-x")


def test_a_price_says_the_book_the_source_and_the_day() -> None:
    assert storage_price(prices(), "fast") == Price(
        Decimal("0.25"), "PriceBook cluster", SOURCE, "2026-11-01"
    )


def test_without_a_book_nothing_has_a_price_and_each_says_what_to_write() -> None:
    known = token_prices(NO_PRICES, GPT_MODEL)
    unknown = [
        known.input,
        known.output,
        known.cached_input,
        storage_price(NO_PRICES, None),
        traffic_price(NO_PRICES),
        *compute_prices(NO_PRICES),
    ]
    assert all(isinstance(price, Unknown) for price in unknown)
    assert known.input == Unknown("write tokens[openai, gpt-x] into a PriceBook in USD")
    assert storage_price(NO_PRICES, None) == Unknown("write storage[default] into a PriceBook in USD")


def test_a_zero_that_somebody_wrote_is_a_price() -> None:
    free = prices({**GPT, "inputPerMillion": "0", "outputPerMillion": "0"})
    price = token_prices(free, GPT_MODEL).input
    assert isinstance(price, Price)
    assert price.amount == 0


def test_cached_input_costs_as_much_as_input_where_the_book_does_not_say() -> None:
    without = {name: value for name, value in GPT.items() if name != "cachedInputPerMillion"}
    known = token_prices(prices(without), GPT_MODEL)
    assert known.cached_input == known.input


def test_the_price_of_the_region_comes_before_that_of_the_model() -> None:
    known = prices(GPT, {**GPT, "model": "eu/gpt-x", "inputPerMillion": "2.2"})
    there = token_prices(known, Managed(provider="openai", model="gpt-x", region="eu")).input
    elsewhere = token_prices(known, Managed(provider="openai", model="gpt-x", region="us")).input
    assert isinstance(there, Price)
    assert isinstance(elsewhere, Price)
    assert (there.amount, elsewhere.amount) == (Decimal("2.2"), Decimal(2))


@pytest.mark.parametrize(
    ("input_tokens", "paid"),
    [(0, ("2", "0.5", "8")), (200_000, ("2", "0.5", "8")), (200_001, ("4", "4", "12"))],
)
def test_a_request_with_a_long_input_costs_its_second_price(
    input_tokens: int, paid: tuple[str, str, str]
) -> None:
    long = {"aboveTokens": 200_000, "inputPerMillion": "4", "outputPerMillion": "12"}
    known = token_prices(prices({**GPT, "longInput": long}), GPT_MODEL, input_tokens)
    found = (known.input, known.cached_input, known.output)
    assert [price.amount for price in found if isinstance(price, Price)] == [Decimal(each) for each in paid]


def test_the_shipped_book_has_the_second_prices_of_long_inputs() -> None:
    sonnet = Managed(
        provider="bedrock", model="anthropic.claude-sonnet-4-5-20250929-v1:0", region="us-east-1"
    )
    known = index({"default": shipped_book()})
    short, long = (token_prices(known, sonnet, tokens).input for tokens in (1000, 500_000))
    assert isinstance(short, Price)
    assert isinstance(long, Price)
    assert long.amount > short.amount


@pytest.mark.parametrize(
    ("books", "said"),
    [
        pytest.param({"a": "2026-01-01", "b": "2026-02-01"}, "b", id="the newest"),
        pytest.param({"b": "2026-01-01", "a": "2026-01-01"}, "a", id="of two of a day the first by name"),
        pytest.param({"default": "2026-02-01", "a": "2026-01-01"}, "a", id="default last, however new"),
    ],
)
def test_of_several_books_one_says_the_price(books: dict[str, str], said: str) -> None:
    known = index({name: book(name, day, **CLUSTER) for name, day in books.items()})
    price = traffic_price(known)
    assert isinstance(price, Price)
    assert price.listed_in == f"PriceBook {said}"


def test_what_the_first_book_does_not_say_the_next_one_does() -> None:
    known = index({"default": book("default", tokens=[GPT]), "cluster": book(**CLUSTER)})
    assert isinstance(token_prices(known, GPT_MODEL).input, Price)
    assert isinstance(traffic_price(known), Price)
    assert known.books == ("cluster@2026-11-01", "default@2026-11-01")


def test_there_are_no_exchange_rates_so_books_of_another_currency_are_not_asked() -> None:
    known = index({"default": book("default", tokens=[GPT]), "ours": book("ours", currency="EUR", **CLUSTER)})
    assert known.currency == "EUR"
    assert token_prices(known, GPT_MODEL).input == Unknown(
        "write tokens[openai, gpt-x] into a PriceBook in EUR"
    )


def test_the_shipped_book_knows_todays_models_and_where_their_prices_stand() -> None:
    shipped = shipped_book()
    assert len({price.provider for price in shipped.spec.tokens}) >= 5
    assert len(shipped.spec.tokens) > 900
    assert all(float(price.input_per_million) > 0 for price in shipped.spec.tokens)
    assert all(price.source.startswith(("https://", "pypi:litellm@")) for price in shipped.spec.tokens)
    assert set(shipped.metadata.annotations) == {"aistack.dev/source", "aistack.dev/source-sha256"}
    sonnet = token_prices(
        index({"default": shipped}), Managed(provider="anthropic", model="claude-sonnet-4-5")
    )
    assert isinstance(sonnet.input, Price)
    assert sonnet.input.source.startswith("https://")


def test_the_shipped_book_fits_into_etcd() -> None:
    assert len(shipped_text().encode()) < 1024 * 1024
