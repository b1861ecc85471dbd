"""The equations of a neuron as LaTeX, from the step that the kernels run."""

from typing import Any

from spikeformers.kernels.scan.definition import Definition


def equation(definition: Definition) -> str:
    """The output and the new states of one step, one equation a line.

    The step is called with SymPy symbols; terms come out in SymPy's order. Θ is the spike, sg stops the gradient.
    """
    import sympy

    before = {name: sympy.Symbol(f"{_symbol(name)}_{{t-1}}", real=True) for name in definition.states}
    params = {name: sympy.Symbol(_symbol(name), real=True) for name in definition.params}
    y, new = definition.step(_SympyOps(sympy), sympy.Symbol("x_{t}", real=True), **before, **params)
    output = sympy.Symbol("y_{t}", real=True)
    rows = [(output, y), *((sympy.Symbol(f"{_symbol(n)}_{{t}}", real=True), v.subs(y, output)) for n, v in new.items())]
    return "\n".join(f"{sympy.latex(left)} = {sympy.latex(_plain_numbers(sympy, right))}" for left, right in rows)


class _SympyOps:
    """The vocabulary of `ops` on SymPy expressions."""

    def __init__(self, sympy: Any) -> None:
        self.exp, self.log, self.sqrt, self.tanh = sympy.exp, sympy.log, sympy.sqrt, sympy.tanh
        self.sin, self.cos, self.atan, self.erf, self.abs = sympy.sin, sympy.cos, sympy.atan, sympy.erf, sympy.Abs
        self.maximum, self.minimum, self.floor = sympy.Max, sympy.Min, sympy.floor
        self.sigmoid = sympy.Function(r"\sigma")
        self.round_half_even = sympy.Function(r"\operatorname{round}")
        self.detach = sympy.Function(r"\operatorname{sg}")
        self._steps = {False: sympy.Function(r"\Theta"), True: sympy.Function(r"\Theta_{>}")}
        self._piecewise = sympy.Piecewise

    def spike(self, u: Any, strict: bool = False) -> Any:
        return self._steps[strict](u)

    def through(self, value: Any, smooth: Any) -> Any:
        return value

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return self._piecewise((a, condition), (b, True))

    def clamp(self, u: Any, low: float, high: float) -> Any:
        return self.minimum(self.maximum(u, low), high)


def _plain_numbers(sympy: Any, expression: Any) -> Any:
    """1.0 as 1, 0.5 as a fraction, others with four digits."""
    numbers = {}
    for number in expression.atoms(sympy.Float):
        short = sympy.Rational(str(float(number))) if float(number * 8).is_integer() else sympy.Float(number, 4)
        numbers[number] = short
    return expression.xreplace(numbers)


def _symbol(name: str) -> str:
    """A state's or parameter's name as a symbol: `v_threshold` becomes `v_{threshold}`."""
    head, _, tail = name.partition("_")
    head = head if len(head) == 1 else rf"\mathrm{{{head}}}"
    return head + (rf"_{{\mathrm{{{tail.replace('_', ' ')}}}}}" if tail else "")
