"""Numba expressions for the operations of a graph, and for reading and writing numbers of each storage."""

from typing import Final

_ANY_WIDTH: Final = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "not": "not {0}",
    "where": "{1} if {0} else {2}",
    "spike": "ONE if {0} >= ZERO else (ZERO if {0} < ZERO else {0})",
    "spike_strict": "ONE if {0} > ZERO else (ZERO if {0} <= ZERO else {0})",
    "detach": "{0}",
    "through": "{0}",
    "floor": "fm.floor({0})",
    "round": "fm.round_half_even({0})",
    "sqrt": "fm.sqrt({0})",
    "abs": "fm.absolute({0})",
}
_BY_WIDTH: Final = {
    "float32": {
        "exp": "fm.exp32({0})",
        "log": "fm.log32({0})",
        "tanh": "fm.tanh32({0})",
        "sigmoid": "fm.sigmoid32({0})",
        "sin": "ft.sin32({0})",
        "cos": "ft.cos32({0})",
        "atan": "ft.atan32({0})",
        "erf": "fm.erf32({0})",
    },
    "float64": {
        "exp": "math.exp({0})",
        "log": "math.log({0})",
        "tanh": "math.tanh({0})",
        "sigmoid": "fm.sigmoid64({0})",
        "sin": "math.sin({0})",
        "cos": "math.cos({0})",
        "atan": "math.atan({0})",
        "erf": "math.erf({0})",
    },
}
LOAD: Final = {"float32": "{0}", "float64": "{0}", "uint16": "fm.from_bfloat16({0})"}
STORE: Final = {"float32": "{0}", "float64": "{0}", "uint16": "fm.to_bfloat16({0})"}

EXPRESSIONS: Final = {wide: _ANY_WIDTH | own for wide, own in _BY_WIDTH.items()}
"""Width of the arithmetic → operation → expression of its operands."""
