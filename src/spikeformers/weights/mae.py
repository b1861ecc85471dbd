"""Rules of the official names of a masked autoencoder's decoder, which all descendants of MAE share."""

from spikeformers.weights.rules import Rule


def decoder_rules() -> list[Rule]:
    """Official names → ours; the encoder's own position table is registered there and never used."""
    block, ours = "decoder_blocks.{i}", "decoder.blocks.{i}"
    parts = {"norm1": "norm1", "attn.qkv": "qkv", "attn.proj": "proj", "norm2": "norm2"}
    parts |= {"mlp.fc1": "fc1", "mlp.fc2": "fc2"}
    return [
        Rule("pos_embed", None),
        Rule("norm.{p}", "norm.{p}"),
        Rule("mask_token", "decoder.mask_token"),
        Rule("decoder_pos_embed", "decoder.positions"),
        Rule("decoder_embed.{p}", "decoder.embed.{p}"),
        *(Rule(f"{block}.{theirs}.{{p}}", f"{ours}.{mine}.{{p}}") for theirs, mine in parts.items()),
        Rule("decoder_norm.{p}", "decoder.norm.{p}"),
        Rule("decoder_pred.{p}", "decoder.predict.{p}"),
    ]
