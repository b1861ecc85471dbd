from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.formats.ts import read_ts, write_ts

ITALY = """#The data was derived from twelve monthly electrical power demand
#time series from Italy and first used in the paper "Intelligent
#Icons: Integrating Lite-Weight Data Mining and Visualization into
#GUI Operating Systems". The classification task is to distinguish
#days from Oct to March (inclusive) from April to September.
@problemName ItalyPowerDemand
@timeStamps false
@missing false
@univariate true
@equalLength true
@seriesLength 24
@classLabel true 1 2
@data
-0.71051757,-1.1833204,-1.3724416,-1.5930829,-1.4670021,-1.3724416,-1.0887599,0.045966947,0.92853223,1.0861332,1.2752543,0.96005242,0.61333034,0.014446758,-0.6474772,-0.26923494,-0.20619456,0.61333034,1.3698149,1.4643754,1.054613,0.58181015,0.1720477,-0.26923494:1
-0.99300935,-1.4267865,-1.5798843,-1.6054006,-1.6309169,-1.3757539,-1.0185257,-0.35510183,0.71658276,1.2013925,1.1248436,1.0482947,0.79313166,0.46141977,0.48693607,0.56348497,0.61451757,0.30832197,0.25728936,1.0993273,1.0482947,0.69106647,-0.048906237,-0.38061813:1
1.3190669,0.56977448,0.19512825,-0.085856424,-0.17951799,-0.27317954,-0.085856424,-1.3971182,-1.1161336,-0.74148733,0.0078051347,-0.085856424,0.0078051347,-0.46050266,-0.55416422,-0.74148733,-0.74148733,-0.74148733,-1.1161336,-0.46050266,0.47611292,2.3493441,2.2556825,1.6000516:2
"""
"""The head and the first three cases of the archive's ItalyPowerDemand_TRAIN.ts, byte for byte."""


def test_the_start_of_a_real_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ItalyPowerDemand_TRAIN.ts"
    path.write_text(ITALY)
    found = read_ts(path)
    assert (found.problem, found.classes, found.channels, found.longest) == ("ItalyPowerDemand", ("1", "2"), 1, 24)
    assert found.labels.tolist() == [0, 0, 1]
    assert found.cases[2][0, :2].tolist() == [1.3190669, 0.56977448]
    assert abs(np.mean(found.cases)) < 1e-6  # the archive standardizes every case


HEAD = "@problemName P\n@timeStamps false\n@classLabel true a b\n"


def test_cases_of_several_channels_and_lengths_with_gaps_come_back_as_written(tmp_path: Path) -> None:
    cases = [np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]]), np.array([[7.0], [8.5]])]
    write_ts(tmp_path / "p.ts", "P", cases, ["b", "a"])
    text = (tmp_path / "p.ts").read_text()
    assert text.endswith("@data\n1,?,3:4,5,6:b\n7:8.5:a\n")
    assert "@equalLength false" in text
    found = read_ts(tmp_path / "p.ts")
    assert found.labels.tolist() == [1, 0]
    for got, want in zip(found.cases, cases, strict=True):
        np.testing.assert_array_equal(got, want)


def test_names_are_read_in_any_case_and_regression_has_no_classes(tmp_path: Path) -> None:
    path = tmp_path / "p.ts"
    path.write_text("% note\n@problemname P\n@UNIVARIATE true\n@targetlabel true\n@data 2\n1,2:0.5\n3,4:-1\n")
    found = read_ts(path)
    assert (found.classes, len(found.cases), len(found.labels)) == ((), 2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line @data"),
        (HEAD, "no line @data"),
        (HEAD + "@data\n", "no cases after @data"),
        (HEAD.replace("Stamps false", "Stamps true"), "line 2: series with time stamps are not read"),
        (HEAD + "@univarite true\n", "line 4: @univarite is not known"),
        (HEAD + "@missing maybe\n", "line 4: @missing must be true or false, not 'maybe'"),
        (HEAD + "@dimensions two\n", "line 4: @dimensions must be a whole number"),
        (HEAD + "1,2:a\n", "line 4: '1,2:a' stands before @data"),
        ("@classLabel true\n", "line 1: @classLabel true must be followed"),
        (HEAD + "@data\n1,2:a\n1,2:c\n", "line 6: class 'c' is not one of @classLabel a b"),
        (HEAD + "@data\n1,2:a\n1,x:b\n", "line 6: could not convert string to float: 'x'"),
        (HEAD + "@data\n1,2:3,4:a\n1,2:a\n", "line 6: 1 channels where 2 are needed; the line may be cut off"),
        (HEAD + "@dimensions 3\n@data\n1,2:3,4:a\n", "line 6: 2 channels where 3 are needed"),
        (HEAD + "@data\n1,2:3:a\n", r"line 5: its channels differ in length \(2, 1\)"),
        (HEAD + "@equalLength true\n@seriesLength 3\n@data\n1,2:a\n", "line 7: 2 steps where @seriesLength states 3"),
        (HEAD + "@missing false\n@data\n1,?:a\n", "line 6: a value is missing although @missing is false"),
        (HEAD + "@data\n1,inf:a\n", "line 5: a value is infinite"),
    ],
)
def test_damaged_files_are_refused_with_the_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "p.ts").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_ts(tmp_path / "p.ts")
    assert "p.ts" in str(caught.value)
