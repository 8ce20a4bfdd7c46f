# SPDX-License-Identifier: Apache-2.0
"""program: the pictures of `report`, drawn from invented runs. Usage: pictures_test.py PROGRAM"""
import re
import shutil
import struct
import subprocess
import unittest
import xml.etree.ElementTree as xml
import zlib

import invented_run as invented
from program import ProgramTest, main, tree

GNUPLOT = shutil.which("gnuplot")
PICTURES = ("routing-analysis", "expert-by-class")
SVG = "{http://www.w3.org/2000/svg}"


def decode_png(path):
    """(width, height, rows of bytes, bytes a pixel) of an 8-bit PNG without interlacing."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    at, packed, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0] == zlib.crc32(kind + body)
        header = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour, _, _, interlace = header
    assert depth == 8 and interlace == 0, header
    size = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    raw, rows, above = zlib.decompress(packed), [], bytearray(width * size)
    for y in range(height):
        begin = y * (width * size + 1)
        kind, row = raw[begin], bytearray(raw[begin + 1:begin + 1 + width * size])
        if kind == 1:
            for i in range(size, len(row)):
                row[i] = row[i] + row[i - size] & 255
        elif kind == 2:
            row = bytearray(a + b & 255 for a, b in zip(row, above))
        elif kind > 2:
            for i in range(len(row)):
                left, up, corner = (row[i - size] if i >= size else 0), above[i], (above[i - size] if i >= size else 0)
                if kind == 3:
                    row[i] = row[i] + (left + up) // 2 & 255
                else:
                    estimate = left + up - corner
                    nearest = min((abs(estimate - left), 0, left), (abs(estimate - up), 1, up),
                                  (abs(estimate - corner), 2, corner))[2]
                    row[i] = row[i] + nearest & 255
        rows.append(row)
        above = row
    return width, height, rows, size


def ink(path):
    """Share of the pixels that are not white, distinct colours of a sample, and whether the outermost frame is white."""
    width, height, rows, size = decode_png(path)
    white = bytes([255] * size)
    dark, colours = 0, set()
    for row in rows[::2]:
        pixels = [bytes(row[i:i + size]) for i in range(0, len(row), 2 * size)]
        dark += sum(p != white for p in pixels)
        colours.update(pixels)
    edge = rows[0] + rows[-1] + b"".join(bytes(row[:size]) + bytes(row[-size:]) for row in rows)
    return dark / (len(rows[::2]) * (width // 2)), len(colours), all(byte == 255 for byte in edge)


def svg_texts(path):
    """Each text of a picture, as it is read."""
    root = xml.parse(path).getroot()
    return ["".join(node.itertext()).strip() for node in root.iter(SVG + "text")]


class Pictures(ProgramTest):
    def run_of(self, name, lines, **documents):
        return invented.write_run(self.dir / name, lines, **documents)

    def draw(self, directory):
        """`report`; no note but that there is no specialisation to draw."""
        done = self.succeed("report", directory)
        notes = [line for line in done.stderr.splitlines() if "no specialisation.json" not in line]
        self.assertEqual(notes, [])
        return done

    def assert_whole(self, directory, names=PICTURES, decode=False):
        """`decode`: and with ink inside and none at the edge, which takes Python some seconds."""
        for name in names:
            head = (directory / f"{name}.svg").read_text()[:2000]
            view = re.search(r'viewBox="0 0 (\d+) (\d+)"', head)
            xml.parse(directory / f"{name}.svg")
            width, height = struct.unpack(">II", (directory / f"{name}.png").read_bytes()[16:24])
            self.assertEqual((width, height), (int(view[1]) * 3 // 2, int(view[2]) * 3 // 2))
            self.assertEqual(width, 1800)
            if not decode:
                continue
            share, colours, clear_edge = ink(directory / f"{name}.png")
            self.assertGreater(share, 0.02, name)
            self.assertLess(share, 0.8, name)
            self.assertGreater(colours, 20, name)
            self.assertTrue(clear_edge, f"{name}: something is cut at the edge")
        self.assertEqual([p.name for p in directory.iterdir() if "tmp-" in p.name], [])


@unittest.skipUnless(GNUPLOT, "gnuplot is not installed")
class Drawn(Pictures):
    def test_four_experts(self):
        run = self.run_of("run", invented.metrics(4), health=invented.health(), specialisation=invented.specialisation(4))
        self.draw(run)
        self.assert_whole(run, decode=True)
        texts = svg_texts(run / "routing-analysis.svg")
        for expected in [f"expert {e}" for e in range(4)] + ["1/E", "gate mass", "Routing analysis: healthy", "worst batch",
                                                             "Over 50 steps the load uses 0.97 of the experts."]:
            self.assertIn(expected, texts)
        self.assertIn("Block 1: healthy   (4 experts, top 2)".replace("   ", " "), [re.sub(r"\s+", " ", t) for t in texts])
        texts = svg_texts(run / "expert-by-class.svg")
        for expected in ("NOUN (9,000)", "all tokens", "within-word shuffle", "random router", "too few tokens"):
            self.assertIn(expected, texts)

    def test_every_expert_has_a_line_and_only_the_extreme_of_many_a_name(self):
        for num_experts, named in ((16, 16), (64, 6)):
            run = self.run_of(f"e{num_experts}", invented.metrics(num_experts, tokens=4096), health=invented.health(),
                              specialisation=invented.specialisation(num_experts))
            self.draw(run)
            self.assert_whole(run)
            names = {t for t in svg_texts(run / "routing-analysis.svg") if re.fullmatch(r"expert \d+", t)}
            self.assertEqual(len(names), named)
            script = (run / "routing-analysis.gp").read_text()
            lines = next(line for line in script.splitlines() if line.startswith("plot") and "using 1:8 with lines" in line)
            columns = {int(c) for c in re.findall(r"using 1:(\d+) with lines", lines)}
            self.assertEqual(columns, {8 + 3 * e for e in range(num_experts)})

    def test_of_many_layers_the_worst_are_drawn(self):
        blocks = range(8)
        health = invented.health("skewed", blocks=blocks)
        health["verdict"] = health["layers"][6]["verdict"] = "collapsed"
        health["layers"][7]["verdict"] = "at-risk"
        run = self.run_of("run", invented.metrics(4, blocks=blocks), health=health)
        self.draw(run)
        titles = [t for t in svg_texts(run / "routing-analysis.svg") if re.match(r"Block \d+: ", t)]
        self.assertEqual([re.match(r"Block (\d+): ([a-z-]+)", t).groups() for t in titles],
                         [("6", "collapsed"), ("7", "at-risk")] + [(str(b), "skewed") for b in range(4)])

    def test_of_many_layers_the_classes_of_the_first_are_drawn_and_it_says_so(self):
        run = self.run_of("run", invented.metrics(4), specialisation=invented.specialisation(4, blocks=range(8)))
        self.draw(run)
        texts = svg_texts(run / "expert-by-class.svg")
        self.assertIn("invented, val, 25,000 tokens, the first 6 of 8 MoE layers", texts)
        self.assertEqual([re.match(r"Block (\d+)", t).group(1) for t in texts if re.match(r"Block \d+: ", t)], list("012345"))

    def test_the_drawn_shares_are_those_of_the_run(self):
        lines = invented.metrics(4, steps=60)
        run = self.run_of("run", lines, health={**invented.health(), "window": 7})
        self.draw(run)
        blocks = (run / "routing-analysis.dat").read_text().split("\n\n\n")
        last = [float(x) for x in blocks[1].strip().splitlines()[-1].split()]
        window = [line["layers"][0] for line in lines[-7:]]
        load = [sum(layer["load"][e] for layer in window) for e in range(4)]
        self.assertEqual(last[0], 60)
        self.assertAlmostEqual(last[3], max(load) * 4 / sum(load) - 1, places=5)
        for e in range(4):
            batches = [layer["load"][e] / sum(layer["load"]) for layer in window]
            for got, expected in zip(last[7 + 3 * e:10 + 3 * e], (load[e] / sum(load), min(batches), max(batches))):
                self.assertAlmostEqual(got, expected, places=5)

    def test_hostile_names_stand_for_themselves(self):
        run = self.run_of("run", invented.metrics(4), health=invented.health(reason=" ".join(invented.HOSTILE)),
                          specialisation=invented.specialisation(4, [n[:11] for n in invented.HOSTILE]))
        self.draw(run)
        self.assert_whole(run, PICTURES[1:], decode=True)
        texts = svg_texts(run / "expert-by-class.svg")
        shown = {t.rsplit(" (", 1)[0].replace("\u2060", "").strip() for t in texts}
        for name in invented.HOSTILE:
            self.assertIn(name[:11].replace("\t", "\ufffd").replace("\x07", "\ufffd").strip(), shown)
        reason = " ".join(svg_texts(run / "routing-analysis.svg"))
        for name in ("<script>alert(1)</script>", "a_b^c@d{e}~f", "50% \"quoted\" & 'single'", "{/Symbol a}", "`date`", "$(id)"):
            self.assertIn(name, reason)

    def test_a_corpus_without_classes_is_shown_by_frequency(self):
        run = self.run_of("run", invented.metrics(2, 1), specialisation=invented.specialisation(2, by="frequency"))
        self.draw(run)
        self.assert_whole(run)
        texts = svg_texts(run / "expert-by-class.svg")
        self.assertIn("Expert by token frequency (this corpus has no classes)", texts)
        self.assertIn("11-100 (4,000)", texts)
        self.assertIn("Routing analysis: not judged", svg_texts(run / "routing-analysis.svg"))

    def test_where_every_token_uses_every_expert_nothing_is_divided(self):
        document = invented.specialisation(2)
        layer = document["layers"][0]
        layer["nmi"] = {"value": 0, "low": 0, "high": 0}
        layer["controls"] = {name: {"mean": 0, "std": 0, "max": 0} for name in layer["controls"]}
        run = self.run_of("run", invented.metrics(2), health=invented.health(), specialisation=document)
        self.draw(run)
        self.assert_whole(run)

    def test_the_script_draws_the_same_again(self):
        run = self.run_of("run", invented.metrics(4, blocks=(1, 3)), health=invented.health(blocks=(1, 3)),
                          specialisation=invented.specialisation(4, blocks=(1, 3)))
        self.draw(run)
        self.assert_whole(run)
        before = tree(run)
        for name in PICTURES:
            (run / f"{name}.png").unlink()
            (run / f"{name}.svg").unlink()
            subprocess.run([GNUPLOT, f"{name}.gp"], cwd=run, check=True)
        self.assertEqual(tree(run), before)

    def test_dropped_assignments_have_their_line(self):
        for drops in (False, True):
            run = self.run_of(f"drops-{drops}", invented.metrics(4, drops=drops))
            self.draw(run)
            self.assert_whole(run, PICTURES[:1])
            self.assertEqual("drop rate" in svg_texts(run / "routing-analysis.svg"), drops)

    def test_one_step_and_total_collapse(self):
        lines = invented.metrics(4, steps=1)
        lines[0]["layers"][0].update(load=[2048, 0, 0, 0], mean_probs=[1, 0, 0, 0])
        run = self.run_of("run", lines, health=invented.health("collapsed"))
        self.assertIn("expert-by-class.png is not drawn: there is no specialisation.json", self.draw(run).stderr)
        self.assert_whole(run, PICTURES[:1])


class NotDrawn(Pictures):
    def setUp(self):
        super().setUp()
        self.run_dir = self.run_of("run", invented.metrics(4), health=invented.health(),
                                   specialisation=invented.specialisation(4))
        for name in PICTURES:  # of an earlier run
            (self.run_dir / f"{name}.png").write_text("old")
            (self.run_dir / f"{name}.svg").write_text("<svg>old</svg>")

    def report_with(self, script):
        """With a gnuplot of our own; None: without any."""
        (self.dir / "bin").mkdir(exist_ok=True)
        if script is not None:
            (self.dir / "bin/gnuplot").write_text("#!/bin/sh\n" + script)
            (self.dir / "bin/gnuplot").chmod(0o755)
        return self.call("report", self.run_dir, env={"PATH": str(self.dir / "bin")})

    def assert_only_data(self, done, *words):
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in PICTURES:
            self.assertRegex(done.stderr, rf"(?m)^minimoe: note: {name}\.png and {name}\.svg are not drawn: .*{name}\.gp")
            self.assertFalse((self.run_dir / f"{name}.png").exists())
            self.assertFalse((self.run_dir / f"{name}.svg").exists())
            self.assertTrue((self.run_dir / f"{name}.gp").exists())
            self.assertTrue((self.run_dir / f"{name}.dat").exists())
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual([p.name for p in self.run_dir.iterdir() if "tmp-" in p.name], [])
        page = (self.run_dir / "report.html").read_text()
        for word in ("gnuplot-nox", "Router: healthy", "1.6000", "too few tokens"):
            self.assertIn(word, page)

    def test_no_gnuplot(self):
        self.assert_only_data(self.report_with(None), "gnuplot is not installed (Debian package gnuplot-nox)")

    def test_gnuplot_that_fails(self):
        done = self.report_with("echo 'line 7: undefined & broken' >&2\nexit 3\n")
        self.assert_only_data(done, "gnuplot failed: line 7: undefined & broken")

    def test_gnuplot_that_draws_half(self):
        """It ends well, as the real one does on a full disk."""
        script = 'for a in "$@"; do case "$a" in picture=*) n=${a#*\\\'}; n=${n%\\\'};; esac; done\n' \
                 'echo half >"$n.png"; echo "<svg>" >"$n.svg"\n'
        self.assert_only_data(self.report_with(script), "gnuplot failed")

    def test_gnuplot_killed_by_a_signal(self):
        self.assert_only_data(self.report_with("kill -9 $$\n"), "gnuplot failed")


class BadInput(Pictures):
    def refused(self, run, *words):
        before = tree(run)
        done = self.call("report", run)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(tree(run), before)

    def test_metrics(self):
        def broken(name, change):
            lines = invented.metrics(4, steps=5)
            change(lines[2]["layers"][0])
            return self.run_of(name, lines)
        self.refused(broken("a", lambda l: l.update(load=[1, 2, 3])), "metrics line 3", "3 loads and 4 mean_probs", "expected 4")
        self.refused(broken("b", lambda l: l.update(load=[1, 2, 3, -4])), "metrics line 3", "load holds -4")
        self.refused(broken("c", lambda l: l.update(mean_probs=[1, None, 0, 0])), "metrics line 3", "mean_probs holds null")
        self.refused(broken("d", lambda l: l.pop("load")), "metrics line 3", 'no "load"')
        run = self.run_of("e", invented.metrics(4, steps=5))
        with open(run / "metrics.jsonl", "a") as file:
            file.write('{"step": 6,\n')
        self.refused(run, "metrics.jsonl:6", "not JSON")
        lines = invented.metrics(4, steps=5)
        lines[4]["step"] = 2
        self.refused(self.run_of("f", lines), "metrics line 5", "steps must rise")

    def test_specialisation(self):
        def broken(name, change):
            document = invented.specialisation(4)
            change(document)
            return self.run_of(name, None, specialisation=document)
        self.refused(broken("a", lambda d: d["layers"][0]["classes"][1].update(share=[1])), "layers[0].classes[1].share", "length 1")
        self.refused(broken("b", lambda d: d["layers"][0]["nmi"].update(value="x")), "layers[0].nmi.value", '"x"')
        self.refused(broken("c", lambda d: d.pop("layers")), 'no list "layers"')
        self.refused(broken("d", lambda d: d["layers"][0].update(histogram=[])), "layers[0].histogram")

    def test_directory(self):
        self.refused(self.dir, "neither manifest.json nor result.json, metrics.jsonl or specialisation.json")
        done = self.call("report", "nowhere")
        self.assertEqual((done.returncode, "nowhere: no such directory" in done.stderr), (2, True), done.stderr)
        run = self.run_of("run", None)
        (run / "result.json").write_text("[1, 2]")
        self.refused(run, "result.json: is no JSON object")


if __name__ == "__main__":
    main()
