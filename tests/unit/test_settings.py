"""The environment becomes one frozen object, or an error that says what to write."""

from dataclasses import asdict
from pathlib import Path

import pytest

from aistack.errors import SettingsError
from aistack.settings import AN_ADDRESS, read_settings


def test_an_empty_environment_is_enough() -> None:
    settings = read_settings({})
    assert settings.namespace == "aistack-system"
    assert settings.workers == 16
    assert settings.resync == 600.0
    assert settings.log_format == ""


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings({"AISTACK_WORKERS": " ", "AISTACK_NAMESPACE": ""}).workers == 16


def test_two_processes_on_one_host_are_not_the_same() -> None:
    assert read_settings({}).identity != read_settings({}).identity


def test_every_variable_is_read() -> None:
    settings = read_settings(
        {
            "KUBECONFIG": "/tmp/config",  # noqa: S108 a name, not a file
            "AISTACK_NAMESPACE": "ops",
            "AISTACK_LEASE": "mine",
            "AISTACK_IDENTITY": "pod-0",
            "AISTACK_WORKERS": "4",
            "AISTACK_RESYNC_SECONDS": "30.5",
            "AISTACK_LOADER_SECONDS": "1",
            "AISTACK_METRICS_PORT": "0",
            "AISTACK_LOG_FORMAT": "JSON",
            "AISTACK_LOG_LEVEL": "debug",
            "AISTACK_ADMISSION_POLICIES": "on",
            "AISTACK_DECISIONS": "decisions.jsonl",
            "AISTACK_METERING_SECONDS": "60",
            "AISTACK_TRACES": "https://otel.example/v1/traces",
            "AISTACK_TRACES_PERCENT": "0.5",
            "AISTACK_RESERVATION_SECONDS": "5",
            "AISTACK_WEBHOOK_PORT": "8443",
            "AISTACK_WEBHOOK_CERTIFICATE": "my.crt",
            "AISTACK_WEBHOOK_KEY": "my.key",
        }
    )
    defaults = asdict(read_settings({}))
    assert [name for name, value in asdict(settings).items() if value == defaults[name]] == []
    assert (settings.namespace, settings.lease, settings.identity) == ("ops", "mine", "pod-0")
    assert (settings.workers, settings.resync, settings.metrics_port) == (4, 30.5, 0)
    assert (settings.loader_patience, settings.metering, settings.reservation) == (1, 60, 5)
    assert (settings.traces, settings.traces_percent) == ("https://otel.example/v1/traces", 0.5)
    assert (settings.log_format, settings.log_level) == ("json", "debug")
    assert settings.admission_policies
    assert settings.decisions == Path("decisions.jsonl")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AISTACK_WORKERS", "many", "write a whole number from 1 to 64"),
        ("AISTACK_WORKERS", "0", "write a whole number from 1 to 64"),
        ("AISTACK_WORKERS", "2.5", "write a whole number from 1 to 64"),
        ("AISTACK_RESYNC_SECONDS", "nan", "write a number from 10 to 86400"),
        ("AISTACK_LOADER_SECONDS", "0.5", "write a number from 1 to 600"),
        ("AISTACK_METRICS_PORT", "65536", "write a whole number from 0 to 65535"),
        ("AISTACK_LOG_FORMAT", "xml", "write one of text, json"),
        ("AISTACK_ADMISSION_POLICIES", "maybe", "write one of on, off"),
        ("AISTACK_TRACES", "otel:4318", f"write an address such as {AN_ADDRESS}"),
        ("AISTACK_TRACES", "http://otel", f"write an address such as {AN_ADDRESS}"),
        ("AISTACK_TRACES", "http://[otel/v1", f"write an address such as {AN_ADDRESS}"),
        ("AISTACK_TRACES_PERCENT", "101", "write a number from 0 to 100"),
        ("AISTACK_LOG_LEVEL", "loud", "write one of debug, info, warning, error"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({name: value})
    assert str(error.value) == f"{name} is {value!r}; {words}"
