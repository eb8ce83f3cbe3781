"""Months as a budget has them: from midnight to midnight where it says that it is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class Month:
    """One month of one time zone; its days may have 23 or 25 hours."""

    begin: datetime
    end: datetime
    """Exclusive, both UTC."""

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()


def zone_of(name: str) -> ZoneInfo | None:
    """None where there is none of this name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, as Europe
        return None


def moment(text: str) -> datetime:
    """ValueError where it is none, or of no time zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} is of no time zone")
    return at


def month_name(now: datetime, zone: ZoneInfo) -> str:
    """`2026-11`."""
    return f"{now.astimezone(zone):%Y-%m}"


def day_name(now: datetime, zone: ZoneInfo) -> str:
    """`2026-11-03`."""
    return now.astimezone(zone).date().isoformat()


def month_named(name: str, zone: ZoneInfo) -> Month:
    """That of `2026-11`. ValueError where it is none."""
    year, month = map(int, name.split("-"))
    return month_of(datetime(year, month, 15, tzinfo=UTC), zone)


def month_before(name: str) -> str:
    """`2026-12` before `2027-01`."""
    zone = ZoneInfo("UTC")
    return month_name(month_named(name, zone).begin - datetime.resolution, zone)


def month_of(now: datetime, zone: ZoneInfo) -> Month:
    first = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    later = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return Month(first.astimezone(UTC), later.astimezone(UTC))
