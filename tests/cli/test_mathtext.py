import pytest

from spikeformers.cli.list import entries
from spikeformers.cli.mathtext import plain, unicode


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"h_t=v_{t-1}+\frac{x_t}{\tau}", "hₜ=vₜ₋₁+xₜ/τ"),
        (r"\frac{x_t-(v_{t-1}-v_{reset})}{\tau}", "(xₜ-(vₜ₋₁-vᵣₑₛₑₜ))/τ"),
        (r"|u|\le\frac w2", "|u|≤w/2"),
        (r"\frac{\alpha/2}{1+(\frac{\pi}{2}\alpha u)^2}", "(α/2)/(1+(π/2 αu)²)"),
        (r"v+\frac1\tau\Big(x\Big)", "v+1/τ(x)"),
        (r"\tfrac{\sigma_t}2", "σₜ/2"),
        (r"C\dot v,\dots,\epsilon\sim\mathcal N", "Cv̇,…,ε∼N"),
        (r"\begin{cases}a & n=0\\ b & \text{else}\end{cases}", "{a  if  n=0; b  else}"),
        (r"\Big\lfloor\frac{xL}{\lambda}+\frac12\Big\rfloor", "⌊xL/λ+1/2⌋"),
        (r"s\in\{-1,0,1\}", "s∈{-1,0,1}"),
        (r"2\arctan(x)\ \text{or}\ \max(0,x)", "2 arctan(x) or max(0,x)"),
        (r"v_Q^{xy}", "v_Q^(xy)"),
        (r"x\leftarrow q(k^\top v)", "x←q(kᵀv)"),
        (r"\frac{\sqrt{1-(\delta\omega)^2}-1}{\delta}-\sqrt[3]h", "(√(1-(δω)²)-1)/δ-∛h"),
    ],
)
def test_equations_become_unicode(latex: str, text: str) -> None:
    assert unicode(latex) == text


def test_only_what_is_between_dollars_changes() -> None:
    assert plain(r"a_b is $\tau_0$ and $x$") == "a_b is τ₀ and x"


@pytest.mark.parametrize("kind", ["neurons", "surrogates"])
def test_no_registered_equation_keeps_a_command(kind: str) -> None:
    for row in entries(kind):
        shown = unicode(row["equation"])
        assert "\\" not in shown, row["name"]
        assert "frac" not in shown, row["name"]
        assert "text" not in shown, row["name"]
