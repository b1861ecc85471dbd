"""What the scan needs to know of a neuron, free of any class of `neurons`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from spikeformers.kernels.scan.ops import Surrogate

if TYPE_CHECKING:
    from spikeformers.kernels.scan.program import Program


@dataclass(frozen=True, eq=False)
class Definition:
    """One neuron's equations.

    Attributes:
        key: text that is equal exactly when the equations are (a config in JSON).
        step: `(ops, x, **states, **params) -> (output, new states)`, written once, in `ops`.
        states: state name → value before the first step.
        params: names of tensors that the step reads besides its input and states.
        surrogate: what `ops.spike` differentiates by; None for smooth neurons.
        detach_state: whether no gradient flows from one step to the one before (SLTT, arXiv:2302.14311): each step's
            gradient takes the state it starts from as given.
    """

    key: str
    step: Callable[..., tuple[Any, dict[str, Any]]]
    states: Mapping[str, float]
    params: tuple[str, ...]
    surrogate: Surrogate | None
    detach_state: bool = False

    @cached_property
    def program(self) -> "Program":
        """The recorded equations with their derivative; made once.

        Raises:
            ConfigError: the step cannot become a kernel; the message names the line.
        """
        from spikeformers.kernels.scan.program import compile_program

        return compile_program(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "program"}
