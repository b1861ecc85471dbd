"""Mean loss of drawn patches, and how much of what was hidden they explain."""

from torch import Tensor

from spikeformers.metrics.base import Metric, ratio


class Reconstruction(Metric):
    r"""Share of the variance of hidden pixels that is explained, $1 - \sum(\hat y - y)^2 / \sum(y - \bar y)^2$."""

    def update(self, drawn: Tensor, true: Tensor, loss: Tensor) -> None:
        """Take in one batch.

        Args:
            drawn, true: pixels of hidden patches [M, P].
            loss: mean loss of the batch.
        """
        drawn, true = drawn.double(), true.double()
        self.add("patches", true.new_tensor(len(true)))
        self.add("loss", loss.double() * len(true))
        self.add("error", (drawn - true).square().sum())
        self.add("pixels", true.new_tensor(true.numel()))
        self.add("sum", true.sum())
        self.add("squares", true.square().sum())

    def compute(self) -> dict[str, float]:
        loss = ratio(self.sums.get("loss"), self.sums.get("patches"))
        if "pixels" not in self.sums:
            return {"loss": loss, "explained": float("nan")}
        spread = self.sums["squares"] - self.sums["sum"].square() / self.sums["pixels"]
        return {"loss": loss, "explained": 1.0 - ratio(self.sums["error"], spread)}
