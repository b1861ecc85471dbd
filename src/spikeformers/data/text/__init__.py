"""Text as tokens: tokenizers, passages of a long text, and documents packed into rows."""
