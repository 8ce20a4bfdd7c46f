# SPDX-License-Identifier: Apache-2.0
"""program: doctor. Usage: doctor_test.py PROGRAM"""
from program import ProgramTest, main, tiny


class Doctor(ProgramTest):
    def test_it_tells_what_is_computed_and_what_was_measured(self):
        report = self.json_of("doctor", *tiny(), "--threads=1", "--json")
        self.assertEqual(report["exec"]["num_threads"], 1)
        self.assertIn(report["exec"]["instruction_set"], report["library"]["instruction_sets"])
        self.assertIn(report["exec"]["matmul_backend"], report["library"]["matmul_backends"])
        version = self.succeed("--version").stdout.split()[1]
        self.assertEqual(report["library"]["version"], version)
        product = report["matrix_product"]
        flop = 4 * product["num_tokens"] * product["d_model"] * product["d_expert"]
        self.assertEqual(product["flop_per_run"], flop)
        self.assertAlmostEqual(product["gflop_per_s"] * 1e9 * product["seconds"] / flop, 1)
        self.assertGreater(product["gflop_per_s"], 0)

    def test_scalar_code_is_measured_when_asked_for(self):
        report = self.json_of("doctor", *tiny(), "--threads=2", "--isa=scalar", "--json")
        self.assertEqual([report["exec"][key] for key in ("num_threads", "instruction_set")], [2, "scalar"])

    def test_the_estimate_is_that_of_the_configuration(self):
        (self.dir / "c.toml").write_text(self.succeed("config", *tiny(6, "text.txt", "--d-ff=48"), "--toml").stdout)
        for given in ([*tiny(6, "text.txt", "--d-ff=48"), "--threads=1"], ["--config=c.toml", "--threads=1"]):
            report, config = self.json_of("doctor", *given, "--json"), self.json_of("config", *given, "--json")
            for key in ("memory_bytes", "parameters", "train_flops_per_token"):
                self.assertEqual(report[key], config[key])
            self.assertTrue(report["fits"])
        large = ["--d-model=4096", "--num-heads=64", "--d-ff=1048576", "--num-layers=64"]
        self.assertFalse(self.json_of("doctor", *large, "--json")["fits"])
        self.assertIn("NOT enough", self.succeed("doctor", *large).stdout)

    def test_the_lab_in_words(self):
        out = self.succeed("doctor").stdout
        self.assertRegex(out, r"(?m)^speed: [\d.]+ GFLOP/s in an expert's FFN ")
        self.assertRegex(out, r"(?m)^computing: \d+ threads, ")
        self.assertIn("with 4 experts, top 2", out)
        self.assertIn("which is enough", out)

    def test_bad_options_are_refused_as_elsewhere(self):
        done = self.call("doctor", "--top-k=9")
        self.assertEqual(done.returncode, 2)
        self.assertIn("moe.top_k", done.stderr)


if __name__ == "__main__":
    main()
