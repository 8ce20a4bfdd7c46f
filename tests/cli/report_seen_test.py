# SPDX-License-Identifier: Apache-2.0
"""program: report.html, looked at in headless Chromium. Usage: report_seen_test.py PROGRAM

Ends with 77, a counted skip, where no Chromium is installed (Debian package chromium).
"""
import shutil
import subprocess
import sys
import tempfile

import invented_run as invented
from pictures_test import decode_png
from program import ProgramTest, main

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Seen(ProgramTest):
    def screenshot(self, run, *flags):
        profile = tempfile.mkdtemp(prefix="minimoe-browser-")
        self.addCleanup(shutil.rmtree, profile, ignore_errors=True)
        picture = self.dir / "shot.png"
        done = subprocess.run([BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                               "--hide-scrollbars", "--enable-logging=stderr", "--window-size=800,2400",
                               f"--user-data-dir={profile}", *flags, f"--screenshot={picture}", f"file://{run}/report.html"],
                              capture_output=True, text=True, errors="replace", timeout=120, stdin=subprocess.DEVNULL)
        self.assertEqual([line for line in done.stderr.splitlines() if "CONSOLE" in line], [])
        self.assertTrue(picture.exists(), done.stderr[-2000:])
        return decode_png(picture)

    def test_light_and_dark(self):
        run = invented.write_run(self.dir / "run", invented.metrics(4), health=invented.health(),
                                 specialisation=invented.specialisation(4))
        self.assertEqual(self.call("report", run).returncode, 0)
        corners = []
        for flags in ((), ("--blink-settings=preferredColorScheme=0",)):
            width, height, rows, size = self.screenshot(run, *flags)
            self.assertEqual((width, height), (800, 2400))
            paper = bytes(rows[0][:size])
            corners.append(sum(paper[:3]))
            for part in range(0, height, 400):  # no part of the page is empty
                pixels = [bytes(row[i:i + size]) for row in rows[part:part + 400:4] for i in range(0, len(row), 4 * size)]
                self.assertGreater(sum(p != paper for p in pixels) / len(pixels), 0.01, f"from line {part}")
                self.assertGreater(len(set(pixels)), 8)
        self.assertGreater(corners[0], 700)
        self.assertLess(corners[1], 150)


if __name__ == "__main__":
    if BROWSER is None:
        print("skipped: no Chromium is installed (Debian package chromium)")
        sys.exit(77)
    main()
