# SPDX-License-Identifier: Apache-2.0
"""program: report.html, read by a parser; report_seen_test.py looks at it. Usage: report_test.py PROGRAM"""
import html.parser
import json
import pathlib
import re
import shutil

import invented_run as invented
from program import ProgramTest, main, tiny

GNUPLOT = shutil.which("gnuplot")
VOID = {"meta", "br", "hr", "img", "link", "input"}
FINDINGS = """# Findings

**Verdict: defer.** The gain is *small* & `exp(-0.001)` < 1 %.

## Why
- one seed <script>alert(2)</script>
- two
  lines

1. first
2. second

Ends * here ** as it began.
"""


class Page(html.parser.HTMLParser):
    """Every element must be closed in its order; identifiers, texts and what would be loaded are kept."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.texts, self.loaded, self.elements = [], [], [], [], []
        self.by_id = {}
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if "id" in attributes:
            assert attributes["id"] not in self.by_id, f"id {attributes['id']} is there twice"
            self.by_id[attributes["id"]] = tag
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "data", "srcset", "action", "poster"):
                self.loaded.append(value)
            assert not name.startswith("on"), name
            if "url(" in (value or "") and not re.search(r"url\(#", value):
                self.loaded.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)

    def text(self):
        return " ".join(" ".join(self.texts).split())


class Report(ProgramTest):
    def page_of(self, run):
        done = self.call("report", run)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = (run / "report.html").read_text()
        page = Page(text)
        self.assertEqual([ref for ref in page.loaded if not ref.startswith("#")], [])
        self.assertTrue(all(ref[1:] in page.by_id for ref in page.loaded), "a reference without its target")
        self.assertEqual((page.count("script"), page.count("img"), page.count("link"), page.count("iframe")), (0, 0, 0, 0))
        self.assertNotRegex(re.sub(r'xmlns(:xlink)?="[^"]*"', "", text), r"(@import|url\(['\"]?http|src=|href=['\"]http)")
        html_element = next(a for tag, a in page.elements if tag == "html")
        self.assertEqual(html_element["lang"], "en")
        for tag, attributes in page.elements:
            if tag == "th":
                self.assertIn(attributes.get("scope"), ("row", "col"))
            if tag == "svg":
                self.assertEqual(attributes.get("role"), "img")
                self.assertTrue(attributes.get("aria-label") or attributes.get("aria-labelledby"))
        return page

    def invented_run(self, **documents):
        documents.setdefault("health", invented.health())
        documents.setdefault("specialisation", invented.specialisation(4))
        return invented.write_run(self.dir / "run", invented.metrics(4), **documents)

    def test_everything_of_a_run_is_there(self):
        run = self.invented_run()
        (run / "findings.md").write_text(FINDINGS)
        page = self.page_of(run)
        figures = {"loss", "val-loss", "aux-loss", "load-0-block-1"} | ({"routing-analysis", "expert-by-class"} if GNUPLOT else set())
        self.assertLessEqual(figures, set(page.by_id))
        text = page.text()
        for expected in ("minimoe train --config", "Router: healthy", "1.6000", "4.950", "entropy floor", "Expert 2 is hot.",
                         "Halve the learning rate.", "within-word shuffle", "0.2430 to 0.2590", "too few tokens",
                         "p = 0.0050 against shuffled labels", "Word form explains 82.0 % of the choice", "0" * 64):
            self.assertIn(expected, text)
        classes = invented.specialisation(4)["layers"][0]["classes"]
        for share in classes[0]["share"]:
            self.assertIn(f"{100 * share:.1f}", text)

    def test_findings_are_html_and_nothing_else(self):
        run = self.invented_run()
        (run / "findings.md").write_text(FINDINGS)
        page = self.page_of(run)
        text = (run / "report.html").read_text()
        for expected in ("<strong>Verdict: defer.</strong>", "<em>small</em> &amp; <code>exp(-0.001)</code> &lt; 1 %",
                         "<li>one seed &lt;script&gt;alert(2)&lt;/script&gt;</li>", "<li>two lines</li>", "<li>first</li>",
                         "<p>Ends * here ** as it began.</p>"):
            self.assertIn(expected, text)
        self.assertEqual((page.count("ul") >= 1, page.count("ol")), (True, 1))

    def test_hostile_names_stay_text(self):
        result = {**invented.result(), "corpus": {"name": "</pre><script>x</script>", "sha256": "\"'&<>"}}
        run = self.invented_run(result=result, specialisation=invented.specialisation(4, invented.HOSTILE),
                                health=invented.health("<b>sham</b>", reason=" ".join(invented.HOSTILE)))
        page = self.page_of(run)
        text = page.text()
        for name in ("<script>alert(1)</script>", "</pre><script>x</script>", "<b>sham</b>", "]]>", "-->", "niño_año ¿qué?"):
            self.assertIn(name, text)

    def test_sixty_four_experts_and_no_classes(self):
        run = invented.write_run(self.dir / "wide", invented.metrics(64, tokens=4096), health=invented.health("skewed"),
                                 specialisation=invented.specialisation(64, by="frequency"))
        text = self.page_of(run).text()
        self.assertIn("This corpus has no classes", text)
        self.assertIn("the three most and the three least loaded experts", text)

    def test_a_dense_run_and_a_loss_that_is_not_finite(self):
        lines = [{**line, "layers": []} for line in invented.metrics(4)]
        lines[50]["loss"] = None
        run = invented.write_run(self.dir / "dense", lines)
        page = self.page_of(run)
        self.assertIn("the metrics hold no MoE layer", page.text())
        self.assertIn("No verdict", page.text())
        self.assertNotIn("nan", (run / "report.html").read_text().split("</style>")[1].lower().replace("finance", ""))

    def test_a_specialisation_alone(self):
        run = self.dir / "analysed"
        invented.write_run(run, None, result=None, specialisation=invented.specialisation(4))
        self.assertIn("What the experts divide", self.page_of(run).text())

    def test_without_gnuplot_it_says_so_and_keeps_the_rest(self):
        run = self.invented_run()
        done = self.call("report", run, env={"PATH": str(self.dir)})
        self.assertEqual(done.returncode, 0, done.stderr)
        page = Page((run / "report.html").read_text())
        self.assertIn("gnuplot is not installed (Debian package gnuplot-nox)", page.text())
        for expected in ("Router: healthy", "Halve the learning rate.", "within-word shuffle", "1.6000"):
            self.assertIn(expected, page.text())
        self.assertLessEqual({"loss", "load-0-block-1"}, set(page.by_id))
        self.assertNotIn("routing-analysis", page.by_id)

    def test_a_real_comparison(self):
        self.succeed("compare", *tiny(8), "--seeds=2", "--out=cmp", "--quiet")
        page = self.page_of(self.dir / "cmp")
        manifest = json.loads((self.dir / "cmp/manifest.json").read_text())
        text = page.text()
        for key in ("dense_baseline", "moe_variant", "dense_active_matched", "dense_total_matched"):
            spread = manifest[key]["spread"]["final_val_loss"]
            self.assertIn(f"{spread['mean']:.4f} ± {spread['std']:.4f}", text)
        self.assertIn("minimoe compare", text)
        self.assertIn(manifest["corpus"]["sha256"], text)
        legend = [name for name in ("dense", "moe", "dense-active", "dense-total") if name in page.texts]
        self.assertEqual(len(legend), 4)


if __name__ == "__main__":
    main()
