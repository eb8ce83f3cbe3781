"""What a pod of the queue counts."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class State:
    """By route, which are names of the stack."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Route and how a wait ended: `answered`, `expired` or `full`."""
    waits: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """How long those waited together that were answered."""

    def ended(self, route: str, how: str) -> None:
        self.ends[route, how] += 1

    def waited(self, route: str, seconds: float) -> None:
        self.waits[route] += 1
        self.seconds[route] += seconds

    def metrics(self, places: Mapping[str, int], *, in_touch: bool) -> str:
        """Prometheus' text format; `places` is how many requests are where."""
        lines = [
            "# HELP aistack_queue_requests Requests that are held here: waiting, out at a model, or aside.",
            "# TYPE aistack_queue_requests gauge",
            *(f'aistack_queue_requests{{place="{place}"}} {count}' for place, count in places.items()),
            "# HELP aistack_queue_ends_total Requests whose wait has ended, by how.",
            "# TYPE aistack_queue_ends_total counter",
            *(
                f'aistack_queue_ends_total{{route="{route}",end="{how}"}} {n}'
                for (route, how), n in self.ends.items()
            ),
            "# HELP aistack_queue_wait_seconds How long requests waited that were answered.",
            "# TYPE aistack_queue_wait_seconds summary",
        ]
        for route, count in self.waits.items():
            lines.append(f'aistack_queue_wait_seconds_sum{{route="{route}"}} {self.seconds[route]:.3f}')
            lines.append(f'aistack_queue_wait_seconds_count{{route="{route}"}} {count}')
        lines += [
            "# HELP aistack_queue_in_touch Whether the line in Redis answers.",
            "# TYPE aistack_queue_in_touch gauge",
            f"aistack_queue_in_touch {int(in_touch)}",
        ]
        return "\n".join(lines) + "\n"
