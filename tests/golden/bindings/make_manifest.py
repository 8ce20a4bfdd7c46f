#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes manifest.json and resume.json beside this script, or with --check says whether they are those of now.

README.md beside this file says what the fields mean. Sizes are small: a runner of any language is through in seconds.
"""
import json
import pathlib
import sys

import formulas
import texts

HERE = pathlib.Path(__file__).parent
LANGUAGES = ["c", "cpp", "python", "go", "rust"]
PORTABLE = 1  # MINIMOE_INSTRUCTIONS_SCALAR: every machine has it


def text(value):
    return json.dumps(value, separators=(",", ":"))


# ---- shapes of parameters ----

def network(m, width, stack):
    """[(name, count)] of one feed-forward network, or of `stack` of them."""
    d, n = m["d_model"], max(stack, 1)
    if m.get("ffn", "gelu") == "swiglu":
        return [("w_gate_proj", n * width * d), ("w_up_proj", n * width * d), ("w_down_proj", n * d * width)]
    return [("w_up_proj", n * width * d), ("b_up_proj", n * width), ("w_down_proj", n * d * width),
            ("b_down_proj", n * d)]


def moe_shapes(m):
    c, d = m["moe"], m["d_model"]
    shapes = [("router.weight", c["num_experts"] * d)]
    if c.get("router_bias"):
        shapes.append(("router.bias", c["num_experts"]))
    shapes.append(("expert_bias", c["num_experts"]))
    shapes += [(f"experts.{name}", count) for name, count in network(m, c["d_expert"], c["num_experts"])]
    if c.get("num_shared_experts"):
        shapes += [(f"shared.{name}", count) for name, count in network(m, c["num_shared_experts"] * c["d_expert"], 0)]
    if c.get("shared_expert_gate"):
        shapes.append(("shared_gate.weight", d))
    return shapes


def model_shapes(m, vocab_size):
    """All parameters but the norms, which keep their start values."""
    d = m["d_model"]
    kv_heads = m.get("num_kv_heads") or m["num_heads"]
    width = (m["num_heads"] + 2 * kv_heads) * (d // m["num_heads"])
    shapes = [("token_embedding.weight", vocab_size * d)]
    if m.get("position", "learned") == "learned":
        shapes.append(("position_embedding.weight", m["max_seq_len"] * d))
    for block in range(m["num_layers"]):
        shapes += [(f"blocks.{block}.attn.qkv.weight", width * d), (f"blocks.{block}.attn.proj.weight", d * d)]
        if m.get("attention_bias", True):
            shapes += [(f"blocks.{block}.attn.qkv.bias", width), (f"blocks.{block}.attn.proj.bias", d)]
        is_moe = block in m.get("moe", {}).get("layers", [])
        inner = moe_shapes(m) if is_moe else network(m, m["d_ff"], 0)
        shapes += [(f"blocks.{block}.{'moe' if is_moe else 'ffn'}.{name}", count) for name, count in inner]
    if not m.get("tied_embeddings"):
        shapes.append(("head.weight", vocab_size * d))
    return shapes


SCALE = 2.0 ** -10  # fill is then within +-0.5, standard deviation 0.28


def scale_of(name):
    if name.endswith("router.weight"):
        return 2.0 ** -9
    return 2.0 ** -13 if name.endswith("expert_bias") else SCALE


def parameters(shapes, **periods):
    """`periods`: name with _ for . -> period, or 0 for all zeros."""
    entries = []
    for name, count in shapes:
        period = periods.get(name.replace(".", "_"), count)
        entries.append([name, count, period or count, scale_of(name) if period else 0.0])
    return entries


# ---- bare layers ----

def layer(name, model, tag, valid=(), seq_len=0, num_tokens=12, balance_scale=1.0, d_y_scale=SCALE, bias_updates=0,
          threads=1, **periods):
    shapes = moe_shapes(model)
    return dict(name=f"layer: {name}", op="layer", config=text({"model": model, "train": {"seed": 7}}),
                num_threads=threads, tag=tag, parameters=parameters(shapes, **periods), d_model=model["d_model"],
                num_tokens=num_tokens, x_scale=2.0 ** -8, d_y_scale=d_y_scale, valid=list(valid), seq_len=seq_len,
                balance_scale=balance_scale, gradients=[n for n, _ in shapes if n != "expert_bias"],
                bias_updates=bias_updates)


def layer_cases():
    moe = dict(num_experts=5, top_k=2, d_expert=5, aux_loss_coef=0.25, z_loss_coef=0.125)
    gelu = dict(d_model=6, num_layers=1, moe=moe)
    swiglu = dict(gelu, ffn="swiglu")

    def having(model, **fields):
        return dict(model, moe=dict(model["moe"], **fields))
    sigmoid = dict(gate_order="sigmoid_topk_renorm", routed_scale=2.5)
    right_padding = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    four = having(gelu, num_experts=4)
    small = having(dict(gelu, d_model=4), d_expert=2, bias_balancing=True, bias_update_rate=0.0625)
    return [
        layer("softmax, gelu", gelu, 200),
        layer("sigmoid, swiglu, two threads", having(swiglu, **sigmoid), 400, threads=2),
        layer("softmax without renormalisation, erf", having(dict(gelu, gelu="erf"), gate_order="softmax_topk",
                                                             router_bias=True), 600),
        layer("top-1 of softmax", having(swiglu, gate_order="softmax_topk", top_k=1), 800),
        layer("shared experts, valid mask", having(gelu, num_shared_experts=2), 1000, valid=right_padding),
        layer("shared experts, swiglu, softmax of the chosen", having(swiglu, num_shared_experts=1,
                                                                      gate_order="topk_softmax"), 1200),
        layer("capacity by position, valid mask", having(gelu, capacity_factor=0.75, eval_capacity_factor=1.25), 1400,
              valid=[1, 1, 1, 1, 1, 0] * 2, num_tokens=12),
        layer("capacity by probability", having(swiglu, capacity_factor=0.75, drop_priority="probability", **sigmoid),
              1600, num_tokens=20, threads=2),
        layer("aux loss of each sequence", having(swiglu, aux_loss_scope="sequence", **sigmoid), 1800, seq_len=4),
        layer("all experts tie", gelu, 2000, router_weight=0, expert_bias=0),
        layer("experts tie in pairs", four, 2200, router_weight=12, expert_bias=2),
        layer("aux loss alone", having(dict(gelu, d_model=4), d_expert=2, z_loss_coef=0.0), 2400, d_y_scale=0.0),
        layer("z loss alone", having(dict(gelu, d_model=4), d_expert=2, aux_loss_coef=0.0), 2600, d_y_scale=0.0),
        layer("half of the balance losses", having(dict(gelu, d_model=4), d_expert=2), 2800, balance_scale=0.5),
        layer("bias after 7 updates", small, 3000, bias_updates=7),
        layer("centred bias after 7 updates", having(small, bias_centering=True, **sigmoid), 3200, bias_updates=7),
        layer("shared experts behind a gate, valid mask", having(swiglu, num_shared_experts=2, shared_expert_gate=True),
              6200, valid=right_padding),
    ]


# ---- models ----

VOCAB = 13
MOE = dict(layers=[1], num_experts=4, top_k=2, d_expert=10)
GPT2 = dict(vocab_size=VOCAB, max_seq_len=8, num_layers=2, d_model=12, num_heads=2, d_ff=14, moe=MOE)
LLAMA = dict(preset="llama", vocab_size=VOCAB, max_seq_len=8, num_layers=2, d_model=12, num_heads=3, num_kv_heads=1,
             d_ff=14, norm="rms_norm", position="rope", ffn="swiglu", attention_bias=False, tied_embeddings=True,
             moe=dict(MOE, layers=[0, 1], num_shared_experts=1, gate_order="sigmoid_topk_renorm",
                      eval_capacity_factor=1.0))
NO_DATASET = dict(kind="open", json="{}", data_tag=0, num_data=0, vocab_size=0, num_classes=0)


def memory(num_data=400, tag=11, kind="i32", num_classes=0, val_fraction=0.25):
    json_text = {"vocab_size": VOCAB, "val_fraction": val_fraction}
    if num_classes:
        json_text["class_names"] = [f"class {i}" for i in range(num_classes)]
    return dict(kind=kind, json=text(json_text), data_tag=tag, num_data=num_data, vocab_size=VOCAB,
                num_classes=num_classes)


def opened(data):
    return dict(NO_DATASET, json=text({"data": data}))


def model(name, m, tag, read, generate, valid=(), threads=1):
    return dict(name=f"model: {name}", op="model", config=text({"model": m, "train": {"seed": 5, "seq_len": 8}}),
                num_threads=threads,
                tag=tag, parameters=parameters(model_shapes(m, VOCAB)), num_tokens=16, vocab_size=VOCAB, seq_len=8,
                valid=list(valid), prompt=3, generate=text(generate), read=read, path=f"model-{tag}.safetensors")


def model_cases():
    greedy = dict(max_new_tokens=9, temperature=0)
    drawn = dict(max_new_tokens=12, temperature=0.75, top_k=5, seed=3)
    dense = dict(GPT2, moe=dict(MOE, layers=[]))
    return [
        model("gpt2 with an MoE layer, greedy", GPT2, 4000, ["blocks.1.moe.router.weight", "final_norm.weight"],
              greedy),
        model("llama with shared experts, sampled, padding", LLAMA, 4250, ["blocks.0.moe.expert_bias"], drawn,
              valid=[1] * 8 + [1] * 5 + [0] * 3, threads=2),
        model("dense", dense, 4400, ["head.weight"], drawn),
    ]


# ---- training ----

TRAIN = dict(steps=20, batch_size=2, seq_len=8, learning_rate=0.015625, min_learning_rate=0.001953125, warmup_steps=4,
             weight_decay=0.125, seed=42)
HEALTH = text({"window": 5, "warmup": 2})


def train(name, m, t, tag, path, steps=20, data=None, resume="", cancel_after=-1, threads=1, read=("head.weight",)):
    return dict(data or memory(), name=f"train: {name}", op="train", config=text({"model": m, "train": t}),
                num_threads=threads, tag=tag, parameters=parameters(model_shapes(m, VOCAB)), resume=resume, steps=steps,
                cancel_after=cancel_after, split="val", max_windows=0, health=HEALTH, read=list(read), path=path)


BALANCED = dict(GPT2, moe=dict(MOE, aux_loss_coef=0.03125, z_loss_coef=0.0078125, bias_balancing=True,
                               bias_update_rate=0.0078125))
HALF = "half.safetensors"


def balanced(name, **fields):
    read = ("blocks.1.moe.router.weight", "blocks.1.moe.expert_bias", "head.weight")
    return train(name, BALANCED, TRAIN, 5000, read=read, **fields)


def train_cases():
    wide = dict(LLAMA, tied_embeddings=False, moe=dict(LLAMA["moe"], aux_loss_scope="global_batch", capacity_factor=1.0,
                                                       aux_loss_coef=0.0625))
    dense = dict(GPT2, moe=dict(MOE, layers=[]))
    return [
        balanced("20 steps of a lab model", path="whole.safetensors"),
        balanced("the same with two threads", path="threads.safetensors", threads=2),
        balanced("the same, cancelled after 7 steps", path="cancelled.safetensors", cancel_after=7),
        balanced("the first 9 steps", path=HALF, steps=9),
        balanced("the other 11 steps, resumed", path="resumed.safetensors", steps=11, resume=HALF),
        train("global batch, capacity, accumulation", wide, dict(TRAIN, accumulation_steps=2, schedule="constant"),
              5300, "wide.safetensors", data=memory(kind="u16"), threads=2),
        train("dense", dense, TRAIN, 5400, "dense.safetensors"),
        train("beyond the end of the schedule", BALANCED, dict(TRAIN, steps=3), 5600, "short.safetensors", steps=5),
    ]


def resume_cases():
    cases = []
    for language in LANGUAGES:
        case = balanced(f"the other 11 steps, from the file of {language}", path=f"from-{language}.safetensors",
                        steps=11, resume=f"../{language}/{HALF}")
        cases.append(dict(case, written_by=language))
    return cases


# ---- the rest ----

def dataset(name, data, split="val", seed=1, index=2, seq_len=6, text_="", num_windows=0, config="{}"):
    return dict(data, name=f"dataset: {name}", op="dataset", num_threads=1, split=split, seed=seed, index=index,
                seq_len=seq_len, text=text_, num_windows=num_windows, config=config)


def dataset_cases():
    grammar = opened({"num_eval_sentences": 60})
    fit = text({"train": {"seq_len": 8}})
    return [
        dataset("memory, classes", memory(num_classes=3), text_="1 2\n 12", config=fit),
        dataset("memory, u16, training window", memory(kind="u16"), "train", 9, 1234567890123, text_="7 13", config=fit),
        dataset("memory, no such window", memory(40), index=99, text_="x",
                config=text({"train": {"seq_len": 64}})),
        dataset("grammar, val", grammar, text_="the cat sleeps .", config=fit),
        dataset("grammar, train", grammar, "train", 5, 77, 16, num_windows=40, config=fit),
        dataset("grammar, held-out verbs", opened({"num_eval_sentences": 60, "languages": ["es"]}), "held-out-verbs",
                index=3, text_="ayer", config=fit),
        dict(name="file: a text", op="file", path="book.txt", text=texts.BOOK),
        dataset("text file", opened({"corpus": "book.txt", "val_fraction": 0.25}), text_="caf\u00e9 \u2192",
                config=fit),
        dataset("text file, training window", opened({"corpus": "book.txt"}), "train", 3, 5, 10, "a", config=fit),
    ]


def config_cases():
    lab = {"model": {"d_model": 64, "moe": {"layers": [1], "num_experts": 4, "top_k": 2}},
           "train": {"steps": 2000, "batch_size": 16, "seq_len": 64}, "data": {"corpus": "b\u00fccher/\u6587.txt"}}
    llama = {"model": dict(preset="llama", vocab_size=100, moe={"layers": [0, 1], "gate_order": "sigmoid_topk_renorm"}),
             "train": {"batch_size": 2, "seq_len": 32}}
    bad = {"model": {"d_modle": 64, "num_heads": 0, "moe": {"top_k": 5}}, "train": {"learning_rate": "fast"}}
    routed = {"model": dict(GPT2, moe=dict(MOE, aux_loss_coef=0.0, aux_loss_scope="sequence")), "train": {"seq_len": 8}}
    every = "none,aux,seq-aux,bias,bias+aux"
    return [dict(name=f"config: {name}", op="config", config=c if isinstance(c, str) else text(c), num_threads=n,
                 kinds={"MoE, balanced twice alike": "aux,aux", "MoE, balanced by nobody": "auks"}.get(name, every))
            for name, c, n in [("MoE with a vocabulary", routed, 1), ("MoE, balanced twice alike", routed, 1),
                               ("MoE, balanced by nobody", routed, 1),
                               ("empty", "", 1), ("an empty object", "{}", 1), ("lab, a path in UTF-8", lab, 1),
                               ("gpt2 with a vocabulary", {"model": GPT2, "train": {"seq_len": 8}}, 1),
                               ("sequences longer than the model's", {"model": GPT2, "train": {"seq_len": 64}}, 1),
                               ("sequences as short as the model's", {"model": GPT2}, 1), ("llama", llama, 2),
                               ("several bad keys", bad, 1), ("a duplicate key", '{"train":{"seed":1,"seed":2}}', 1),
                               ("an unfinished text", '{"model":', 1),
                               ("seeds of 64 bits", '{"train":{"seed":18446744073709551615}}', 1)]]


def analyse_cases():
    draws = dict(max_windows=6, seed=2, num_permutations=19, num_bootstrap=20, num_tables=2, num_routers=2,
                 num_word_shuffles=2, min_class_tokens=5)
    config = text({"model": dict(GPT2, vocab_size=0, max_seq_len=16, moe=dict(MOE, capacity_factor=1.0,
                                                                              eval_capacity_factor=1.0)),
                   "train": {"batch_size": 4, "seq_len": 16, "seed": 6}})

    def analyse(name, data, split, entries, **fields):
        return dict(data, name=f"analyse: {name}", op="analyse", config=config, num_threads=2, tag=6000,
                    parameters=entries, split=split, specialisation=text(dict(draws, **fields)),
                    capacity=text(dict(max_windows=6, min_class_tokens=5)), max_count=5)
    router = [["blocks.1.moe.router.weight", 48, 48, 2.0 ** -9]]
    return [
        analyse("grammar", opened({"num_eval_sentences": 60}), "val", router),
        analyse("memory with classes", memory(num_data=600, num_classes=4), "val",
                parameters(model_shapes(dict(GPT2, max_seq_len=16), VOCAB))),
        analyse("memory without classes", memory(num_data=600), "val", router),
    ]


def status_cases():
    small = text({"model": dict(d_model=12, moe=dict(num_experts=3, top_k=2, d_expert=5))})
    # Nearly all of 2^48 bytes: no process has that much room in one piece, and only more than 2^48 is a wrong argument.
    huge = text({"model": dict(d_model=10992, moe=dict(num_experts=127, top_k=127, d_expert=1))})
    run = text({"model": GPT2, "train": dict(TRAIN, steps=1000000)})
    cases = [
        dict(status="INVALID_ARGUMENT", config='{"train":{"stepps":3}}'),
        dict(status="OUT_OF_MEMORY", config=huge, max_tokens=2 ** 24),
        dict(status="IO", path="missing.safetensors"),
        dict(status="CORRUPT_FILE", path="corrupt.safetensors"),
        dict(status="NON_FINITE", config=small, count=12),
        dict(status="UNSUPPORTED", config=text({"data": {"num_eval_sentences": 5}})),
        dict(status="SHAPE", config=small, count=13),
        dict(status="BUFFER_TOO_SMALL", config=small, count=12),
        dict(memory(), status="BUSY", config=run),
        dict(status="CANCELLED", config=run),
        dict(status="VERSION", header_version=999999999),
        dict(memory(), status="FORKED", config=run, steps=1000000),
    ]
    file = dict(name="file: corrupt", op="file", path="corrupt.safetensors", text="this is no safetensors file\n")
    return [file] + [dict(case, name=f"status: {case['status']}", op="status", status=f"MINIMOE_E_{case['status']}",
                          num_threads=1) for case in cases]


def report_cases():
    return [dict(name=f"health: {name}", op="health_check", log=log, json=options)
            for name, log, options in texts.health_logs()] + \
           [dict(name=f"load statistics: {name}", op="load_statistics", load=load, top_k=top_k)
            for name, load, top_k in texts.LOADS] + \
           [dict(name=f"verdict: {name}", op="compare_verdict", json=text(figures))
            for name, figures in texts.verdicts()] + \
           [dict(name="findings", op="compare_findings", json=text(texts.COMPARISON))] + \
           [dict(name=f"{op}: {name}", op=op, json=text(runs)) for name, op, runs in texts.runs_of_breaks()]


def manifest(cases):
    names = [case["name"] for case in cases]
    assert len(names) == len(set(names))
    exempt = {"status: FORKED": {"go": "a Go program has no fork without exec"}}
    return {"format": 1, "instruction_set": PORTABLE,
            "exempt": {name: why for name, why in exempt.items() if name in names}, "cases": cases}


def document(value):
    """JSON with a line for each case."""
    head = ", ".join(f"{json.dumps(key)}: {json.dumps(value[key])}" for key in value if key != "cases")
    lines = ",\n".join(json.dumps(case) for case in value["cases"])
    return f'{{{head}, "cases": [\n{lines}\n]}}\n'


def documents():
    library = dict(name="library", op="library", codes=[*range(-1, 15), 2 ** 31 - 1])
    presets = [dict(name=f"preset: {name}", op="preset", preset=name) for name in ("lab", "lab-dense", "laboratory")]
    first = [library] + presets + config_cases() + dataset_cases() + layer_cases() + model_cases() + train_cases() + \
        analyse_cases() + report_cases() + status_cases()
    return {"manifest.json": document(manifest(first)), "resume.json": document(manifest(resume_cases()))}


if __name__ == "__main__":
    stale = 0
    for name, content in documents().items():
        path = HERE / name
        if "--check" not in sys.argv:
            path.write_text(content, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != content:
            print(f"{name} is not what make_manifest.py makes: run it")
            stale = 1
    sys.exit(stale)
