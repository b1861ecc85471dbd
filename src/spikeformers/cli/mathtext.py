"""LaTeX of the equations in docstrings as Unicode that a terminal shows."""

import re

_WORDS = {
    "qquad": "   ", "quad": "  ", ",": " ", ";": " ", "!": "", "ge": "≥", "le": "≤", "geq": "≥", "leq": "≤", "in": "∈", "cdot": "·",
    "times": "×", "partial": "∂", "sum": "Σ", "prod": "Π", "infty": "∞", "odot": "⊙", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈",
    "rceil": "⌉", "ne": "≠", "neq": "≠", "to": "→", "pm": "±", "approx": "≈", "ldots": "…", "dots": "…", "cdots": "…", "sim": "∼", "nabla": "∇", "sqrt": "√",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ",
    "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Sigma": "Σ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "vartheta": "ϑ", "leftarrow": "←", "rightarrow": "→", "downarrow": "↓",
}  # fmt: skip
_LOW = str.maketrans("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_HIGH = str.maketrans("0123456789+-=()in*", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁱⁿ*")

_ACCENTS = {"bar": "\u0304", "hat": "\u0302", "tilde": "\u0303", "dot": "\u0307"}
_JOINT = "\x03"
"""Stands between a command and what follows it until the end, so that the two do not run together."""
_PART = r"\s*(\{(?:[^{}]|\{[^{}]*\})*\}|\\[a-zA-Z]+|\S)"
_ROOT = re.compile(r"\\sqrt(\[3\])?" + _PART)
_FRACTION = re.compile(r"\\[td]?frac" + _PART + _PART)
_FACTOR = re.compile(r"\s*(?:\w|\\(?!Big|big|right|text|q|rfloor|in|le|ge))")


def plain(text: str) -> str:
    """Text in which every `$…$` is written in Unicode."""
    return re.sub(r"\$\$?(.+?)\$\$?", lambda found: unicode(found.group(1)), text, flags=re.DOTALL)


def unicode(latex: str) -> str:
    r"""One equation: `h_t=v_{t-1}+\frac{x_t}{\tau}` → `hₜ=vₜ₋₁+xₜ/τ`."""
    text = latex.replace(r"\{", "\x01").replace(r"\}", "\x02")
    text = re.sub(r"\\begin\{cases\}(.*?)\\end\{cases\}", _cases, text, flags=re.DOTALL)
    for _ in range(4):  # fractions and roots nest
        text = _ROOT.sub(lambda found: _JOINT + ("∛" if found.group(1) else "√") + _whole(found.group(2)), text)
        text = _FRACTION.sub(_fraction, text)
    text = re.sub(r"\\(bar|hat|tilde|dot)(?![a-zA-Z])\s*(?:\{(\w)\}|(\w))", _accented, text)
    text = re.sub(
        r"\\(?:text|mathrm|operatorname|mathbf|mathcal|mathbb|bar|hat|tilde|dot)\s*\{([^{}]*)\}", _JOINT + r"\1", text
    )
    text = re.sub(r"\\(?:mathcal|mathbf|mathrm|mathbb)(?![a-zA-Z])\s*(\w)", _JOINT + r"\1", text)
    text = re.sub(r"\\(?:Bigg|bigg|Big|big|left|right)[lr]?(?![a-zA-Z])\s*", "", text)
    text = re.sub(r"\^\\top(?![a-zA-Z])\s*", "ᵀ", text)
    text = re.sub(r"\\([a-zA-Z]+|[,;!])\s*", _word, text)
    text = re.sub(r"_(?:\{([^{}]*)\}|(\w))", lambda found: _script(found, _LOW, "_"), text)
    text = re.sub(r"\^(?:\{([^{}]*)\}|([\w*]))", lambda found: _script(found, _HIGH, "^"), text)
    text = (
        text.replace("\\", "")
        .replace("{", "")
        .replace("}", "")
        .replace("\x01", "{")
        .replace("\x02", "}")
        .replace(_JOINT, "")
    )
    return re.sub(r"\s{4,}", "   ", text).strip()


def _word(found: re.Match[str]) -> str:
    """A symbol, or the name of a function with room before it."""
    name = found.group(1)
    if name in _WORDS:
        return _WORDS[name]
    before = found.string[: found.start()][-1:]
    return f" {name}" if before.isalnum() else name


def _accented(found: re.Match[str]) -> str:
    return _JOINT + (found.group(2) or found.group(3)) + _ACCENTS[found.group(1)]


def _cases(found: re.Match[str]) -> str:
    """Cases in one line: `{a if x; b else}`."""
    rows = [row.replace("&", " if ") for row in found.group(1).split(r"\\")]
    return "\x01" + re.sub(r"if\s+\\text\{else\s*\}", "else", "; ".join(row.strip() for row in rows)) + "\x02"


def _whole(part: str) -> str:
    """A part of a fraction or under a root, in parentheses where it is more than one thing."""
    bare = part[1:-1] if part.startswith("{") else part
    return bare if re.fullmatch(r"\\?[\w{}]+", bare) else f"({bare})"


def _fraction(found: re.Match[str]) -> str:
    """A slash, with parentheses where a part is more than one thing, and room before a factor that follows."""
    above, below = map(_whole, found.groups())
    room = f"{_JOINT} " if _FACTOR.match(found.string, found.end()) else ""
    return f"{_JOINT}{above}/{below}{room}"


def _script(found: re.Match[str], table: dict[int, int], sign: str) -> str:
    """Raised or lowered characters where Unicode has them all, else the sign and the characters."""
    inner = (found.group(1) or found.group(2) or "").replace(_JOINT, "")
    if all(ord(c) in table for c in inner):
        return inner.translate(table)
    return f"{sign}({inner})" if sign == "^" and len(inner) > 1 else f"{sign}{inner}"
