# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # A router collapses, and is brought back
#
# Two models are trained on the embedded corpus, from the same start and on the same batches. Their routers begin with
# expert 0 far ahead; one has the balance loss, the other has not. The main loss hardly tells them apart. The routing
# does, and `health` says so with its reason. Then the broken model goes on with the balance loss.
#
# Run it cell by cell (VS Code, Spyder, Jupyter with jupytext), or as a script: `python3 examples/python/collapse.py
# [DIRECTORY]` writes the pictures and prints the rest.

# %%
import pathlib
import sys
import time

import minimoe
from minimoe import plots

STEPS = 200
started = time.perf_counter()
corpus = minimoe.Corpus()
headstart = next(b for b in minimoe.breaks() if b["name"] == "headstart")
print(headstart["claim"])
print(headstart["hidden_cause"])


# %% [markdown]
# Training is a loop over steps. Beside the loss, each step leaves what its routers did; a list of that is a log, which
# `minimoe.health` judges and `minimoe.plots` draws. (A trainer keeps one of its own: `trainer.health()`.)

# %%
def train(config, start=None):
    """Losses, log and model after STEPS steps; `start`: parameters to begin with."""
    config = corpus.fit_config(config, steps=STEPS)
    model = minimoe.Model(config)
    if start is not None:
        model.load_state_dict(start)
    losses, log = [], []
    with minimoe.Trainer(model, corpus, config) as trainer:
        for step in trainer.steps():
            losses.append(step.loss)
            (routing,) = trainer.routing()  # of the one MoE layer
            log.append({"step": step.step, "layer": 0, "top_k": config["model"]["moe"]["top_k"], "load": routing["load"],
                        "mean_probs": routing["mean_probs"], "num_dropped": sum(routing["dropped"])})
        losses.append(trainer.evaluate("val", max_windows=200).loss)
    return losses, log, model


healthy_losses, healthy_log, _ = train(headstart["healthy"])
broken_losses, broken_log, broken_model = train(headstart["broken"])

# %% [markdown]
# The main loss, as one would watch it: nothing to see.

# %%
for step in (50, 100, 150, 200):
    print(f"step {step:3}: main loss {healthy_losses[step - 1]:.3f} with, {broken_losses[step - 1]:.3f} without the "
          "balance loss")
print(f"validation: {healthy_losses[-1]:.3f} and {broken_losses[-1]:.3f}")

# %% [markdown]
# The routing. Both start with expert 0 ahead (1 is an even share). With the balance loss the others catch up; without
# it expert 0 alone gets tokens, so it alone is trained, so it stays the best choice. That is a collapse, and it feeds
# itself.

# %%
healthy, broken = minimoe.health(healthy_log), minimoe.health(broken_log)
print(f"\nwith the balance loss: {healthy.verdict}\nwithout: {broken.verdict}: {broken.layers[0]['reason']}")
for advice in broken.layers[0]["advice"]:
    print(f"  to try: {advice}")
healthy_picture = plots.overview(healthy, healthy_log)
broken_picture = plots.overview(broken, broken_log)

# %% [markdown]
# In a notebook the report shows itself, with the loads of the last window and the verdicts over time:

# %%
broken

# %% [markdown]
# The repair: the same weights, and the balance loss (its coefficient is the one setting that was changed). The router
# probability of expert 0 falls, the others get tokens, and with them a gradient.

# %%
repaired_losses, repaired_log, repaired_model = train(headstart["fixed"], broken_model.state_dict())
repaired = minimoe.health(repaired_log)
print(f"\nafter the repair: {repaired.verdict}: {repaired.layers[0]['reason']}")
print(f"validation: {broken_losses[-1]:.3f} before, {repaired_losses[-1]:.3f} after {STEPS} more steps")
repaired_picture = plots.overview(repaired, repaired_log)

# %%
if len(sys.argv) > 1 and "ipykernel" not in sys.modules:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, axes in (("healthy", healthy_picture), ("broken", broken_picture), ("repaired", repaired_picture)):
        axes[0].figure.savefig(out / f"{name}.png", dpi=110)
    (out / "broken.html").write_text(f"<!DOCTYPE html>\n<meta charset=\"utf-8\">\n{broken._repr_html_()}\n")
print(f"{time.perf_counter() - started:.0f} s")
