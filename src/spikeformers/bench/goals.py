"""What the goal of a run's task is called where results are shown. Goals that are not listed go by their own name."""

from collections.abc import Mapping
from typing import Any

CLASSIFICATION = "accuracy"
"""Goal of runs that do not say theirs."""

_TITLES = {CLASSIFICATION: "accuracy", "explained": "explained variance"}
_SHORT = {CLASSIFICATION: "acc", "explained": "expl"}
_SAID = {CLASSIFICATION: "of {data} right", "explained": "of what was hidden in {data} explained"}


def goal_of(facts: Mapping[str, Any]) -> str:
    """The goal that a run's results or one of its events name."""
    return str(facts.get("goal", CLASSIFICATION))


def title(goal: str) -> str:
    """What it is called."""
    return _TITLES.get(goal, goal.replace("_", " "))


def short(goal: str) -> str:
    """The same in few letters."""
    return _SHORT.get(goal, goal)


def said(goal: str, data: str) -> str:
    """What follows its value in a sentence on a dataset."""
    return _SAID.get(goal, f"{title(goal)} on {{data}}").format(data=data)
