"""The admission request as the API server sends it (admission.k8s.io/v1): what a verdict is made from."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from aistack.api import TYPES


def _ours(kind: str) -> str:
    if kind not in TYPES:
        raise ValueError(f"is none of {', '.join(TYPES)}")
    return kind


Sent = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]
"""An object as sent; empty where the API server sends null."""


class Message(BaseModel):
    """Sent by an API server that may be newer: unknown fields are ignored, absent ones are null."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class GroupKind(Message):
    group: Literal["aistack.dev"]
    kind: Annotated[str, AfterValidator(_ours)]


class UserInfo(Message):
    username: str = ""


class AdmissionRequest(Message):
    uid: str
    kind: GroupKind
    operation: Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    user_info: UserInfo = UserInfo()
    dry_run: bool = False
    object: Sent = {}
    """Empty on a DELETE."""
    old_object: Sent = {}
    """Empty on a CREATE."""

    @property
    def shown_name(self) -> str:
        """The object's name; one that the API server has yet to generate ends in an ellipsis."""
        metadata = self.object.get("metadata")
        said = metadata if isinstance(metadata, dict) else {}
        return str(self.name or said.get("name") or f"{said.get('generateName', '')}…")

    @property
    def full_name(self) -> str:
        """`care/support`."""
        return f"{self.namespace}/{self.shown_name}" if self.namespace else self.shown_name


class AdmissionReview(Message):
    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: AdmissionRequest
