"""What the loader knows, as the world sees it."""

import json
from dataclasses import dataclass


@dataclass(slots=True)
class State:
    """Written by the main thread, read by the status server; holds no key."""

    live: str = ""
    """Digest of the configuration that Envoy has confirmed; empty before the first."""
    mounted: str = ""
    problem: str = ""
    """Why what is mounted is not live; empty when it is."""
    draining: bool = False
    turns: int = 0
    refusals: int = 0

    @property
    def ready(self) -> bool:
        """A configuration that came later and was refused doesn't take a serving pod out."""
        return bool(self.live) and not self.draining

    def report(self) -> str:
        return json.dumps(
            {
                "live": self.live,
                "mounted": self.mounted,
                "problem": self.problem,
                "draining": self.draining,
            }
        )

    def metrics(self) -> str:
        """Prometheus' text format."""
        in_step = int(bool(self.live) and self.live == self.mounted and not self.problem)
        return (
            "# HELP aistack_loader_in_step Whether Envoy has confirmed what is mounted.\n"
            "# TYPE aistack_loader_in_step gauge\n"
            f"aistack_loader_in_step {in_step}\n"
            "# HELP aistack_loader_turns_total Configurations that went live.\n"
            "# TYPE aistack_loader_turns_total counter\n"
            f"aistack_loader_turns_total {self.turns}\n"
            "# HELP aistack_loader_refusals_total Configurations that could not go live.\n"
            "# TYPE aistack_loader_refusals_total counter\n"
            f"aistack_loader_refusals_total {self.refusals}\n"
        )
