"""Mean loss, accuracy and confusion matrix of a classifier."""

import torch
from torch import Tensor

from spikeformers.metrics.base import Metric, ratio


class Classification(Metric):
    """Counts how often each class was taken for each.

    Args:
        classes: number of classes K.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def update(self, scores: Tensor, targets: Tensor, loss: Tensor) -> None:
        """Take in one batch.

        Args:
            scores: [B, K].
            targets: labels [B], or class probabilities [B, K] (the most probable counts as the label).
            loss: mean loss of the batch.
        """
        labels = targets.argmax(-1) if targets.dim() == 2 else targets
        pairs = labels * self.classes + scores.argmax(-1)
        table = torch.bincount(pairs.flatten(), minlength=self.classes**2).view(self.classes, self.classes)
        self.add("confusion", table)
        self.add("loss", loss.double() * len(scores))

    @property
    def confusion(self) -> Tensor:
        """Samples of class i (row) that were taken for class j (column) [K, K]."""
        return self.sums.get("confusion", torch.zeros(self.classes, self.classes, dtype=torch.int64))

    def compute(self) -> dict[str, float]:
        total = self.confusion.sum()
        return {"loss": ratio(self.sums.get("loss"), total), "accuracy": ratio(self.confusion.trace(), total)}
