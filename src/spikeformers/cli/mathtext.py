"""LaTeX of the equations in docstrings as Unicode that a terminal shows."""

import re

_WORDS = {
    "qquad": "   ", "quad": "  ", ",": " ", ";": " ", "!": "", "ge": "≥", "le": "≤", "geq": "≥", "leq": "≤", "in": "∈", "cdot": "·",
    "times": "×", "partial": "∂", "sum": "Σ", "prod": "Π", "infty": "∞", "odot": "⊙", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈",
    "rceil": "⌉", "ne": "≠", "neq": "≠", "to": "→", "pm": "±", "approx": "≈", "ldots": "…", "dots": "…", "cdots": "…", "sim": "∼",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ",
    "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Sigma": "Σ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
_LOW = str.maketrans("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_HIGH = str.maketrans("0123456789+-=()in*", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁱⁿ*")


def plain(text: str) -> str:
    """Text in which every `$…$` is written in Unicode."""
    return re.sub(r"\$\$?(.+?)\$\$?", lambda found: unicode(found.group(1)), text, flags=re.DOTALL)


def unicode(latex: str) -> str:
    r"""One equation: `h_t=v_{t-1}+\frac{x_t}{\tau}` → `hₜ=vₜ₋₁+xₜ/τ`."""
    text = latex.replace(r"\{", "\x01").replace(r"\}", "\x02")
    for _ in range(4):  # fractions and roots nest
        text = re.sub(r"\\[td]?frac\s*([0-9a-zA-Z])\s*([0-9a-zA-Z])", r"\\frac{\1}{\2}", text)
        text = re.sub(
            r"\\[td]?frac\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}", _fraction, text
        )
    text = re.sub(r"\\(?:text|mathrm|operatorname|mathbf|mathcal|bar|hat|tilde)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\(?:Bigg|bigg|Big|big|left|right)[lr]?\s*", "", text)
    text = re.sub(r"\\([a-zA-Z]+|[,;!])\s*", _word, text)
    text = re.sub(r"_(?:\{([^{}]*)\}|(\w))", lambda found: _script(found, _LOW, "_"), text)
    text = re.sub(r"\^(?:\{([^{}]*)\}|([\w*]))", lambda found: _script(found, _HIGH, "^"), text)
    text = text.replace("\\", "").replace("{", "").replace("}", "").replace("\x01", "{").replace("\x02", "}")
    return re.sub(r"\s{4,}", "   ", text).strip()


def _word(found: re.Match[str]) -> str:
    """A symbol, or the name of a function with room before it."""
    name = found.group(1)
    if name in _WORDS:
        return _WORDS[name]
    before = found.string[: found.start()][-1:]
    return f" {name}" if before.isalnum() else name


def _fraction(found: re.Match[str]) -> str:
    above, below = (
        part if re.fullmatch(r"\\?[\w_{}-]+", part) and "-" not in part else f"({part})" for part in found.groups()
    )
    return "{}" + f"{above}/{below}"  # the braces, which go later, keep a command before it apart


def _script(found: re.Match[str], table: dict[int, int], sign: str) -> str:
    """Raised or lowered characters where Unicode has them all, else the sign and the characters."""
    inner = found.group(1) or found.group(2)
    return inner.translate(table) if all(ord(c) in table for c in inner) else f"{sign}{inner}"
