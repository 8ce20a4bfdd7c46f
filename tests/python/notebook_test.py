# SPDX-License-Identifier: Apache-2.0
"""What notebooks show of a health report and of a comparison, and the pictures of minimoe.plots."""
import html.parser
import os
import pathlib
import re
import subprocess
import sys

import pytest

import minimoe
from minimoe import notebook

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOID = {"br", "hr", "img", "meta"}


def log(loads, steps=150, layer=0, **more):
    return [{"step": step, "layer": layer, "top_k": 1, "load": loads, "mean_probs": [n / sum(loads) for n in loads],
             "num_dropped": 0, **more} for step in range(1, steps + 1)]


def figures(gain):
    return {"moe_variant": {"val_loss": [2.2 - gain, 2.21 - gain, 2.19 - gain], "cpu_time_s": [10, 11, 10.5]},
            "dense_baseline": {"val_loss": [2.2, 2.21, 2.2], "cpu_time_s": [8, 8.1, 8.2]},
            "dense_active_matched": {"val_loss": [2.2, 2.22, 2.21]}, "dense_total_matched": {"val_loss": [2.19, 2.2, 2.2]}}


class Checker(html.parser.HTMLParser):
    """Every element that is opened is closed, and nothing runs or is loaded."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "iframe", "object", "link", "style", "img")
        for name, value in attributes:
            assert not name.startswith("on")
            assert "url(" not in (value or "") and "javascript:" not in (value or "") and name not in ("src", "href")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def shown(report):
    return " ".join(Checker(report._repr_html_()).text)


def test_health_shows_verdict_reason_and_advice_of_every_layer():
    report = minimoe.health(sorted(log([900, 50, 40, 34]) + log([256] * 4, layer=1), key=lambda line: line["step"]))
    text = shown(report)
    for layer in report.layers:
        assert layer["reason"] in text and f"Layer {layer['layer']}" in text and layer["verdict"] in text
        assert all(advice in text for advice in layer["advice"])
    assert report.verdict != "healthy" and report.layers[0]["advice"]


def test_bars_are_as_high_as_the_loads():
    markup = minimoe.health(log([512, 256, 128, 128]))._repr_html_()
    bars = re.search(r'<path d="([^"]*z)"', markup)[1]
    heights = [float(start) - float(end) for start, end in re.findall(r" ([\d.]+)V([\d.]+)h", bars)]
    assert [round(height / heights[0], 2) for height in heights] == [1, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("num_experts", [1, 2, 16, 32, 33, 300])
def test_any_number_of_experts_is_drawn(num_experts):
    markup = minimoe.health(log([64] * num_experts))._repr_html_()
    Checker(markup)
    assert markup.count("even</text>") == 1 and len(markup) < 60000


def test_untested_reports_without_figures_are_shown():
    for entries in (log([8, 8], steps=3), log([5], steps=120)):
        assert "untested" in shown(minimoe.health(entries))


def test_names_from_outside_are_escaped():
    report = minimoe.compare_verdict(figures(0.1))
    report["reasons"] = ["<script>alert(1)</script> & \"more\""]
    report["spread"] = {"<img src=x>": report["spread"]["moe_variant"]}
    assert "<script>alert(1)</script>" in shown(report)  # as text
    assert "<img" not in report._repr_html_()


@pytest.mark.parametrize(("gain", "verdict"), [(0.1, "adopt"), (-0.1, "never")])
def test_comparison_shows_differences_on_their_side_of_zero(gain, verdict):
    report = minimoe.compare_verdict(figures(gain))
    assert report.verdict == verdict
    markup, text = report._repr_html_(), shown(report)
    assert all(reason in text for reason in report["reasons"]) and verdict in text
    zero = float(re.search(r'<path d="M([\d.]+) 2V', markup)[1])
    seeds = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', markup)]
    assert len(seeds) == 9 and all((x < zero) == (gain > 0) for x in seeds)


def test_one_seed_has_no_interval():
    report = minimoe.compare_verdict({name: {key: value[:1] for key, value in entry.items()}
                                      for name, entry in figures(0.1).items()})
    assert 'stroke-width="3"' not in report._repr_html_() and "±  0" not in shown(report)


def test_colours_have_contrast_on_white_and_on_black():
    def luminance(colour):
        channels = [int(colour[n:n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in [*notebook.VERDICT_COLOURS.values(), notebook._BAR, notebook._OTHER]:
        assert 1.05 / (luminance(colour) + 0.05) >= 3 and (luminance(colour) + 0.05) / 0.05 >= 3, colour


class TestPlots:
    @pytest.fixture(autouse=True)
    def plots(self):
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        from minimoe import plots
        yield plots
        import matplotlib.pyplot
        matplotlib.pyplot.close("all")

    def test_loads_are_lines_in_even_shares(self, plots):
        ax = plots.load_over_steps(log([512, 256, 128, 128]))
        assert [line.get_ydata()[0] for line in ax.lines[:4]] == [2, 1, 0.5, 0.5]
        assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines[:4]}) == 4

    def test_many_experts_are_a_map(self, plots):
        ax = plots.load_over_steps(log(list(range(1, 41))))
        assert not ax.lines and ax.collections[0].get_array().shape == (40, 150)

    def test_verdicts_lie_at_their_steps(self, plots):
        report = minimoe.health(log([900, 50, 40, 34]))
        bars = plots.verdicts(report).patches
        assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(50.5, 50), (100.5, 50)]
        assert len(bars) == len(report.layers[0]["windows"])

    def test_overview_has_the_bias_only_where_it_moved(self, plots):
        report = minimoe.health(log([256] * 4))
        assert len(plots.overview(report, log([256] * 4))) == 2
        assert len(plots.overview(report, log([256] * 4, bias_min=-0.1, bias_max=0.2))) == 3

    def test_what_is_not_in_the_log_is_said(self, plots):
        with pytest.raises(ValueError, match="no line of layer 3"):
            plots.load_over_steps(log([1, 1]), layer=3)
        with pytest.raises(ValueError, match="bias_min"):
            plots.bias_over_steps(log([1, 1]))

    def test_the_collapse_example_finds_and_repairs_it(self, tmp_path):
        done = subprocess.run([sys.executable, "-W", "error", str(ROOT / "examples" / "python" / "collapse.py"), tmp_path],
                              capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "Agg"})
        assert done.returncode == 0, done.stderr
        assert re.search(r"with the balance loss: healthy\nwithout: collapsed: .*expert 0 is chosen by", done.stdout)
        assert re.search(r"after the repair: healthy", done.stdout)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.html", "broken.png", "healthy.png",
                                                                    "repaired.png"]


def test_without_matplotlib_the_way_to_it_is_named():
    code = ("import sys; sys.modules['matplotlib'] = None; from minimoe import plots\n"
            "try: plots.verdicts({'layers': []})\nexcept ImportError as e: print(e)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'minimoe[notebook]'" in done.stdout
