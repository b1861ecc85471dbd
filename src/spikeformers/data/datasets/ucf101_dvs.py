"""UCF101-DVS: the videos of UCF101 shown to a DAVIS240 on a screen, 240×180."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.events.dataset import WIDE, EventDataConfig, class_files
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import matlab
from spikeformers.data.samples import Splits, Subset

_NAMES = """
    ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch Basketball BasketballDunk
    BenchPress Biking Billiards BlowDryHair BlowingCandles BodyWeightSquats Bowling BoxingPunchingBag BoxingSpeedBag
    BreastStroke BrushingTeeth CleanAndJerk CliffDiving CricketBowling CricketShot CuttingInKitchen Diving Drumming Fencing
    FieldHockeyPenalty FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing Haircut HammerThrow Hammering HandstandPushups
    HandstandWalking HeadMassage HighJump HorseRace HorseRiding HulaHoop IceDancing JavelinThrow JugglingBalls JumpRope
    JumpingJack Kayaking Knitting LongJump Lunges MilitaryParade Mixing MoppingFloor Nunchucks ParallelBars PizzaTossing
    PlayingCello PlayingDaf PlayingDhol PlayingFlute PlayingGuitar PlayingPiano PlayingSitar PlayingTabla PlayingViolin
    PoleVault PommelHorse PullUps Punch PushUps Rafting RockClimbingIndoor RopeClimbing Rowing SalsaSpin ShavingBeard Shotput
    SkateBoarding Skiing Skijet SkyDiving SoccerJuggling SoccerPenalty StillRings SumoWrestling Surfing Swing TableTennisShot
    TaiChi TennisSwing ThrowDiscus TrampolineJumping Typing UnevenBars VolleyballSpiking WalkingWithDog WallPushups
    WritingOnBoard YoYo
"""
CLASSES = tuple(_NAMES.split())
NAME = re.compile(r"v_\w+_g(\d\d)_c(\d\d)")
GROUPS, TESTED = 25, 7
"""Groups of clips from one source video, and how many of them a test part has."""
LAYOUT = "ApplyEyeMakeup/ … YoYo/ (101 classes), each with v_CLASS_gGG_cCC.mat (columns ts, x, y, pol)"


@DATASETS.register("ucf101_dvs", source="Bi et al., IEEE Transactions on Image Processing 29, 2020")
@dataclass(frozen=True, kw_only=True)
class UCF101DVSConfig(EventDataConfig):
    """UCF101-DVS: 13,320 event recordings of the videos of 101 human actions."""

    sensor: ClassVar[tuple[int, int]] = WIDE

    split: int = 1
    """Which of the three official splits of UCF101 (1, 2, 3)."""
    val_groups: int = 3
    """How many of the 18 groups of training clips are the validation part: the last ones by number."""

    def __post_init__(self) -> None:
        if self.split not in (1, 2, 3):
            raise ConfigError(f"split={self.split} is not one of the official splits 1, 2, 3")
        if not 1 <= self.val_groups < GROUPS - TESTED:
            raise ConfigError(f"val_groups={self.val_groups} must lie between 1 and {GROUPS - TESTED - 1}")
        super().__post_init__()

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="UCF101-DVS",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, terms in the repository",
            source="Y. Bi et al., IEEE TIP 29, 2020; PIX2NVS/NVS_FeatureLearning",
            sizes={"all": 13320},
            split="that of UCF101 by groups of clips from one source: test is groups 1-7, 8-14 or 15-21 (recalled, for splits "
            "1, 2, 3), validation the last val_groups of the others; no source video is in two parts",
            layout=LAYOUT,
            hint="Get it as https://github.com/PIX2NVS/NVS_FeatureLearning says and unpack it.",
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*CLASSES[-2:], inside=("UCF101_DVS", "train"))
        items = class_files(folder, {name: label for label, name in enumerate(CLASSES)}, ".mat", LAYOUT)
        groups = []
        for item in items:
            match = NAME.fullmatch(item.path.stem)
            if match is None:
                raise DataError(f"{item.path}: the name does not tell group and clip; wanted v_CLASS_gGG_cCC.mat")
            groups.append(int(match[1]))
        tested = range(TESTED * (self.split - 1) + 1, TESTED * self.split + 1)
        learned = [group for group in range(1, GROUPS + 1) if group not in tested]
        parts = (learned[: -self.val_groups], learned[-self.val_groups :], tested)
        whole, of = self.recordings(items, matlab.read_upright), torch.tensor(groups)
        train, val, test = (Subset(whole, torch.isin(of, torch.tensor(list(g))).nonzero().flatten()) for g in parts)
        return Splits(train=train, val=val, test=test)

    def fake(self, n: int, root: Path) -> None:
        groups = (9, 25, 1, 15, 24)
        for i in range(n):
            name, turn = CLASSES[i % len(CLASSES)], i // len(CLASSES)
            (root / name).mkdir(parents=True, exist_ok=True)
            path = root / name / f"v_{name}_g{groups[turn % 5]:02}_c{turn // 5 + 1:02}.mat"
            matlab.write(path, fake_events(i, *self.sensor))
