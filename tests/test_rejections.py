"""Every request that is turned away is told the field, the value, the rule and the way out: held in the source itself."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import services
from services.gateway.reply import problem
from services.kernel.decision import Rejected

ROOT = Path(services.__file__).parent
TOLD = ("field", "value", "rule", "remedy")


def test_every_rejection_names_the_field_the_value_the_rule_and_the_way_out() -> None:
    sources = {path.relative_to(ROOT.parent): ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")}
    kinds = _rejections(sources.values())
    found = [(path, call) for path, tree in sources.items() for call in _calls(tree, kinds)]
    assert len(found) > 100, "the walk finds no rejections any more"
    lacking = [f"{path}:{call.lineno} {lack}" for path, call in found if (lack := _lack(call))]
    assert not lacking, "\n".join(sorted(lacking))


@pytest.mark.parametrize("code", ["busy", "too_large", "precondition_failed", "is_erased"])
def test_a_rejection_arrives_whole_at_the_door(code: str) -> None:
    rejection = Rejected("no", code=code, field="staff_id", value="s-1", rule="one of us", remedy="ask again")
    document = problem(rejection.as_error(), query=False).document()
    assert [document[name] for name in ("detail", "reason", *TOLD)] == [
        "no",
        code,
        "staff_id",
        "s-1",
        "one of us",
        "ask again",
    ]


def _rejections(trees: Iterable[ast.AST]) -> set[str]:
    """`Rejected` and what is made of it."""
    kinds, before = {"Rejected"}, 0
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while len(kinds) > before:
        before = len(kinds)
        kinds |= {one.name for one in classes if any(_name(base) in kinds for base in one.bases)}
    return kinds


def _calls(tree: ast.AST, kinds: set[str]) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) in kinds)


def _name(expression: ast.expr) -> str:
    return expression.id if isinstance(expression, ast.Name) else getattr(expression, "attr", "")


def _lack(call: ast.Call) -> str:
    """What a rejection does not say, or says with nothing in it."""
    said = {one.arg for one in call.keywords if not (isinstance(one.value, ast.Constant) and not one.value.value)}
    return ", ".join(name for name in TOLD if name not in said)
