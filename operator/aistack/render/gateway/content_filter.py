"""Runs inside LiteLLM, in the adapter's pod: its content filter, with allowed phrases; it fails shut.

LiteLLM's own lists have exceptions, any of which has it look for nothing in the whole text, also within a
word: who wrote "red team" could write anything. Here they are allowed phrases. And of a stream LiteLLM lets
through what it failed to check.
"""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import HTTPException
from litellm.proxy.guardrails.guardrail_hooks.litellm_content_filter.content_filter import (
    ContentFilterGuardrail,
)
from litellm.proxy.types_utils.utils import get_instance_fn

Phrases = get_instance_fn("phrases.Phrases", __file__)


class ContentFilter(ContentFilterGuardrail):  # type: ignore[misc] # LiteLLM is in its own image and no dependency here
    apply_guardrail = ContentFilterGuardrail.apply_guardrail
    """LiteLLM asks for it only a class that has it itself."""

    def __init__(self, allowed_words: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(**settings)
        exceptions = [phrase for each in self.loaded_categories.values() for phrase in each.exceptions]
        for category in self.loaded_categories.values():
            category.exceptions = []
        words = [*self.blocked_words, *self.category_keywords, *self.always_block_category_keywords]
        for together in self.conditional_categories.values():
            words += [*together["identifier_words"], *together["block_words"]]
        self.refuses = bool(words)
        self.phrases = Phrases([*allowed_words, *exceptions], words)

    def _filter_single_text(self, text: str, detections: Any = None) -> str:
        """Every text comes by here."""
        try:
            return self._filtered(text, detections)
        except HTTPException:
            raise
        except Exception as error:
            raise HTTPException(500, "not checked") from error

    def _filtered(self, text: str, detections: Any) -> str:
        """What refuses replaces nothing, what masks refuses nothing."""
        if not self.refuses:
            return str(super()._filter_single_text(text, detections))
        super()._filter_single_text(self.phrases.hide(text), detections)
        return text

    def _find_pattern_spans(self, text: str, pattern_entry: Any) -> list[tuple[int, int]]:
        found = super()._find_pattern_spans(text, pattern_entry)
        return list(self.phrases.beyond(text, found) if found else ())

    async def async_post_call_streaming_iterator_hook(
        self,
        user_api_key_dict: object,
        response: AsyncIterator[Any],
        request_data: dict[str, Any],
    ) -> AsyncIterator[Any]:
        events = self._with_whole_phrases(response)
        async for event in super().async_post_call_streaming_iterator_hook(
            user_api_key_dict, events, request_data
        ):
            yield event

    async def _with_whole_phrases(self, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Else a denied word in an allowed phrase would be refused before the rest of the phrase has come."""
        waiting = dict[int, Any]()
        async for event in events:
            for choice in getattr(event, "choices", ()):
                words = choice.delta.content or ""
                before = waiting.get(choice.index, Phrases.nothing)
                now, waiting[choice.index] = self.phrases.take(before, words, last=bool(choice.finish_reason))
                if now or words:
                    choice.delta.content = now
            yield event
