#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule accepts the file beside it and refuses the one that breaks it."""
import pathlib
import tempfile
import unittest

import check

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
SLASH = "/"


class Rules(unittest.TestCase):
    def breaches(self, files):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return check.check(root)

    def include(self, path, header):
        return self.breaches({path: SPDX + f"#include {header}\n"})

    def assert_refused(self, found, where, *words):
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(where), found)
        for word in words:
            self.assertIn(word, found[0])

    def test_includes_point_left(self):
        self.assertEqual(self.include("src/moe/router.cpp", '"minimoe/ops/softmax.hpp"'), [])
        self.assertEqual(self.include("src/train/trainer.cpp", '"data/reader.hpp"'), [])
        self.assertEqual(self.include("include/minimoe/model/gpt.hpp", '"minimoe/moe/router.hpp"'), [])
        self.assert_refused(self.include("src/moe/router.cpp", '"minimoe/train/trainer.hpp"'), "src/moe/router.cpp:2:",
                            "moe may include core, moe, ops")
        self.assert_refused(self.include("src/data/x.cpp", '"ops/x.hpp"'), "src/data/x.cpp:2:")
        self.assert_refused(self.include("include/minimoe/core/x.hpp", "<minimoe/data/x.hpp>"), "include/")
        self.assert_refused(self.include("src/core/x.cpp", '"../ops/x.hpp"'), "src/core/x.cpp:2:")
        self.assert_refused(self.include("src/core/x.cpp", '"x.hpp"'), "src/core/x.cpp:2:", "by its room")

    def test_public_headers_show_nothing_private(self):
        self.assertEqual(self.include("src/core/x.cpp", "<nlohmann/json.hpp>"), [])
        self.assert_refused(self.include("include/minimoe/core/x.hpp", "<nlohmann/json.hpp>"), "include/")
        self.assert_refused(self.include("include/minimoe/core/x.hpp", '"core/sha256.hpp"'), "include/")

    def test_one_header_knows_xtensor(self):
        self.assertEqual(self.include("include/minimoe/core/tensor.hpp", "<xtensor/xtensor.hpp>"), [])
        self.assert_refused(self.include("src/ops/x.cpp", "<xtensor/xtensor.hpp>"), "src/ops/x.cpp:2:", "tensor.hpp")

    def test_examples_see_the_c_interface_only(self):
        self.assertEqual(self.include("examples/cli/main.cpp", '"table.hpp"'), [])
        self.assertEqual(self.include("examples/cli/main.cpp", '"minimoe.h"'), [])
        self.assertEqual(self.include("examples/cli/library.hpp", "<minimoe.hpp>"), [])
        inside = {"capi/handle.hpp": SPDX, "examples/cli/main.cpp": SPDX + "#include <handle.hpp>\n"}
        self.assert_refused(self.breaches(inside), "examples/cli/main.cpp:2:", "minimoe.hpp")
        own = {"capi/handle.hpp": SPDX, "examples/cli/handle.hpp": SPDX,
               "examples/cli/main.cpp": SPDX + '#include "handle.hpp"\n'}
        self.assertEqual(self.breaches(own), [])
        self.assert_refused(self.include("examples/cli/main.cpp", '"minimoe/train/trainer.hpp"'), "examples/cli/main.cpp:2:")
        self.assert_refused(self.include("examples/cli/main.cpp", '"core/sha256.hpp"'), "examples/")
        self.assert_refused(self.include("bindings/go/x.c", '"minimoe.hpp"'), "bindings/go/x.c:2:")

    def test_no_traces_of_a_machine(self):
        for trace in (f"{SLASH}home{SLASH}someone", f"see {SLASH}work{SLASH}x", "pypi" + ".org", "192.168" + ".7.1",
                      "build7" + ".lan"):
            self.assert_refused(self.breaches({"docs/a.md": f"first\n{trace}\n"}), "docs/a.md:2:")
        self.assertEqual(self.breaches({"docs/a.md": "build/work/x, ~/work/x, 1.10.2, src/home/x, arXiv:2101.03961\n"}), [])

    def test_every_file_has_its_licence_line(self):
        self.assertEqual(self.breaches({"a.py": "#!/usr/bin/env python3\n# SPDX-License-Identifier: Apache-2.0\n"}), [])
        for name in ("a.md", "a.json", "LICENSE", "NOTICE"):
            self.assertEqual(self.breaches({name: "text\n"}), [])
        for name in ("a.py", "src/core/a.cpp", "CMakeLists.txt", ".ci/run", "a.map", "a.pc.in", "a.1", ".gitignore"):
            self.assert_refused(self.breaches({name: "text\n"}), f"{name}:1:")

    def test_documented_commands_exist(self):
        files = {"Makefile": "# SPDX-License-Identifier: Apache-2.0\ntest:\ndemo: build\n",
                 "examples/cli/main.cpp": SPDX + 'app.add_subcommand("train", "");\n add_option("--top-k,-k");\n'}
        good = "`make test`, make sure; `minimoe train --top-k 2`\n```\nmake demo  # x\nminimoe train \\\n  --top-k=2\n```\n"
        self.assertEqual(self.breaches({**files, "README.md": good}), [])
        self.assert_refused(self.breaches({**files, "README.md": "x\n`make tests`\n"}), "README.md:2:", "demo, test")
        self.assert_refused(self.breaches({**files, "README.md": "`minimoe trian`\n"}), "README.md:1:", "trian")
        self.assert_refused(self.breaches({**files, "README.md": "```\nbuild/bin/minimoe train --topk 2\n```\n"}),
                            "README.md:2:", "--topk")


if __name__ == "__main__":
    unittest.main()
