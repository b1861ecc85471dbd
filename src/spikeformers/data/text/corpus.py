"""A text in three parts as the samples of a language model."""

from collections.abc import Sequence

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.samples import Splits
from spikeformers.data.text.passages import cut_passages
from spikeformers.data.text.tokenizers import TokenizerConfig


def passages(
    parts: Sequence[bytes], names: Sequence[str], tokenizer: TokenizerConfig, length: int, stride: int
) -> Splits:
    """Samples of the three parts; the tokenizer learns from the first alone.

    Args:
        parts: training, validation and test text, UTF-8.
        names: what to call them.
        tokenizer: how text becomes tokens.
        length: tokens of a sample.
        stride: tokens between the starts of two training samples; the others never overlap.

    Raises:
        DataError: a part is empty or not UTF-8.
        ConfigError: a part is too short for one sample.
    """
    for text, name in zip(parts, names, strict=True):
        if not text:
            raise DataError(f"{name}: an empty text")
    made = tokenizer.fit(parts[0], names[0])
    cut = [
        cut_passages(made.encode(text, name), length, step, name)
        for text, name, step in zip(parts, names, (stride, length, length), strict=True)
    ]
    return Splits(*cut)


def token_names(tokenizer: TokenizerConfig) -> tuple[str, ...]:
    """Names of the tokens of a vocabulary: their numbers, as what they stand for may be learned."""
    return tuple(str(token) for token in range(tokenizer.count))


def check_passages(length: int, stride: int) -> None:
    """Refuse sizes that give no samples.

    Raises:
        ConfigError: length or stride is below 1.
    """
    for name, value in (("length", length), ("stride", stride)):
        if value < 1:
            raise ConfigError(f"{name}={value} must be at least 1")
