"""What stacks have really cost: counters become increments, increments become money, money becomes months.

`counters` reads what a gateway counts, `meter` what came since the last look, `rates` what that costs, `book`
adds it up for a stack, `budget` for all stacks of a budget with those that are `gone`, `forecast` says where
a month leads. `throughput` is how fast replicas were meanwhile. All of it is pure; `aistack.runtime.metering`
looks and writes.

Amounts are whole picounits, a millionth of a millionth of the currency's unit: one token of a price with six
decimals a million is a whole number of them, so that nothing is lost by adding up often.
"""

from aistack.spending.book import Book
from aistack.spending.budget import BudgetBook
from aistack.spending.money import PicoUnits, micro

__all__ = ["Book", "BudgetBook", "PicoUnits", "micro"]
