"""An expression that reads what no stack has is told so: it would be silent for ever."""

from pathlib import Path

import pytest

from aistack.api import AIPolicy
from aistack.cli.files import read
from aistack.cli.parser import main
from aistack.govern.reading import doubts
from tests.rulebook import policy

POLICIES = Path(__file__).parents[2] / "policies"
UNKNOWN = {
    "object.spec.ownr == 'x'": "object.spec has no field ownr; write one of agents, decision, environment, ",
    "has(object.spec.governance.ownr)": "object.spec.governance has no field ownr; write owner",
    "oldObject.?spec.?gatway.hasValue()": "oldObject.spec has no field gatway; write gateway",
    "object.spec['modles'].size() > 0": "object.spec has no field modles; write models",
    "facts[?'regoins'].hasValue()": "facts has no field regoins; write regions",
    "facts.models.all(m, m.licence != '')": "facts.models[] has no field licence; write license",
    "facts.evidence.all(id, each, each.agedays < 9)": "facts.evidence{} has no field agedays; write ageDays",
    "facts.models.filter(m, m.task == 'chat').all(m, m.knd == '')": "facts.models[] has no field knd;",
    "object.spec.models.map(m, m.?managed).all(m, m.?regoin.hasValue())": "has no field regoin; write region",
    "object.spec.models[0].licens == ''": "object.spec.models[] has no field licens; write license",
    "facts.models.first().orValue(facts.models[0]).nam == ''": "facts.models[] has no field nam; write name",
    "(true ? object.spec.models : []).all(m, m.nam == '')": "object.spec.models[] has no field nam;",
    "{'a': object.spec.gatway}.size() > 0": "object.spec has no field gatway; write gateway",
    "object.spec.gateway.?routes.orValue([]).all(r, r.targets.all(t, t.modl == ''))": "no field modl;",
    "[object, oldObject].all(each, each.?spec.?ownr.hasValue())": "spec has no field ownr;",
    "(object.spec.models.filter(m, true) + [object.spec.models[0]]).all(m, m.nam == '')": "has no field nam;",
    "object.spec.models.last().orValue({}).?nam.hasValue()": "object.spec.models[] has no field nam;",
    "object.name == ''": "object has no field name; write one of apiVersion, kind, metadata, spec",
}
KNOWN = (
    "object.metadata.labels['a'] == 'b' && object.metadata.?annotations.?x.hasValue()",
    "facts.retirements.all(model, days, days > 90) && !('unknown' in facts.regions)",
    "facts.evidence.exists(id, facts.evidence[id].?metrics.?groundedness.orValue(0.0) > 0.9)",
    "object.spec.models.map(m, m.name).all(name, name.startsWith('x'))",
    "namespaceObject.metadata.labels.whatever == params.anything[0]",
    "[{'own': 1}].all(each, each.own == 1)",
    "[object.spec.governance, object.spec.gateway].all(each, has(each.routes) || has(each.owner))",
    "[object.spec, {'own': 1}].all(each, each.own == 1)",
    "(facts.models + object.spec.models).all(m, has(m.managed))",
    "(object.spec.models + facts.models.map(m, {'own': m.name})).all(m, m.own != '')",
    "(true ? object.spec.governance : object.spec.gateway).?routes.hasValue()",
    "facts.models.map(m, {'model': m, 'money': {'amount': 1}}).all(each, each.money.amount == 1)",
    "object.spec.models.last().orValue({'own': ''}).own == ''",
)


def told(expression: str, **fields: str) -> list[str]:
    rule = {"id": "mine", "expression": expression, "message": "It is.", **fields}
    return [str(doubt) for doubt in doubts(policy(rules=[rule]))]


@pytest.mark.parametrize("expression", UNKNOWN)
def test_a_field_that_no_stack_has_is_named_with_what_to_write_instead(expression: str) -> None:
    (line,) = told(expression)
    assert line.startswith("spec.rules[mine].expression: line 1, column ")
    assert UNKNOWN[expression] in line


@pytest.mark.parametrize("expression", KNOWN)
def test_what_is_there_or_may_be_is_let_be(expression: str) -> None:
    assert told(expression) == []


def test_a_message_says_where() -> None:
    (line,) = told("true &&\nobject.spec.ownr == ''")
    assert line.startswith("spec.rules[mine].expression: line 2, column 12: ")


def test_what_is_found_is_read_too() -> None:
    (line,) = told("true", found="object.spec.gateway.?rutes.orValue([])")
    assert line.startswith("spec.rules[mine].found: ")


def test_what_cannot_be_compiled_is_left_to_who_refuses_it() -> None:
    assert told("object.spec.ownr ==") == []


def test_the_shipped_policies_read_nothing_else() -> None:
    shipped = [each.parsed for each in read([str(POLICIES)]) if isinstance(each.parsed, AIPolicy)]
    assert [str(doubt) for each in shipped for doubt in doubts(each)] == []


def test_the_command_line_says_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = {"id": "mine", "expression": "has(object.spec.ownr)", "message": "It is."}
    file = tmp_path / "policy.json"
    file.write_text(policy(rules=[rule]).model_dump_json(by_alias=True, exclude_unset=True))
    assert main(["check", str(file), "--strict"]) == 3
    assert "object.spec has no field ownr" in capsys.readouterr().out
