"""vLLM's log: its lines as ever, and what its engine fails of as the container's last word.

The engine and its workers are processes of their own. When one fails, the process that ends last only points
to a "root cause above", thousands of characters up in the log, where no status can see it.
"""

import json

from aistack.kinds import Manifest
from aistack.resolved import SelfHostedModel

FOLDER = "/etc/vllm"
PATH = f"{FOLDER}/logging.json"
ANNOTATION = "aistack.dev/vllm-logging"
"""On a pod: its text is the file at PATH, so no object is needed to hold it."""
ENGINE_LOGGERS = ("vllm.v1.engine.core", "vllm.v1.executor.multiproc_executor")
"""Who logs an exception of the engine, and one of a worker, that ends it."""


def annotations(model: SelfHostedModel) -> dict[str, str]:
    return {ANNOTATION: json.dumps(_config(_level(model)), separators=(",", ":"))}


def _level(model: SelfHostedModel) -> str:
    """vLLM looks at its own variable only while nobody configures its log."""
    declared = {variable.name: variable.value for variable in model.hosted.runtime.env}
    return declared.get("VLLM_LOGGING_LEVEL") or "INFO"


def _config(level: str) -> Manifest:
    """In the form of Python's logging.config.dictConfig."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "class": "vllm.logging_utils.NewLineFormatter",
                "format": "%(levelname)s %(asctime)s [%(filename)s:%(lineno)d] %(message)s",
                "datefmt": "%m-%d %H:%M:%S",
            },
            "plain": {"format": "%(message)s"},
        },
        "handlers": {
            "log": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"},
            "last_word": {
                "class": "logging.FileHandler",
                "formatter": "plain",
                "level": "ERROR",
                "filename": "/dev/termination-log",
                "delay": True,
            },
        },
        "loggers": {
            "vllm": {"handlers": ["log"], "level": level, "propagate": False},
            **{name: {"handlers": ["last_word"]} for name in ENGINE_LOGGERS},
        },
    }


def volume() -> Manifest:
    field = {"fieldPath": f"metadata.annotations['{ANNOTATION}']"}
    return {"name": "logging", "downwardAPI": {"items": [{"path": "logging.json", "fieldRef": field}]}}


def mount() -> Manifest:
    return {"name": "logging", "mountPath": FOLDER, "readOnly": True}
