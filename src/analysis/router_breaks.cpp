// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/router_breaks.hpp"

namespace minimoe {
namespace {

constexpr double kHeadStart = 6;  // on one expert's logit: about 99 % of the probability of four

// Top-1 with the plain softmax weight at a learning rate that shows a router's fate within 500 steps.
RunConfig settings(std::size_t num_experts) {
  RunConfig run = lab_preset();
  run.model.moe.num_experts = num_experts;
  run.model.moe.top_k = 1;
  run.model.moe.gate_order = GateOrder::kSoftmaxTopk;
  run.train.steps = 500;
  run.train.learning_rate = 3e-3;
  run.train.min_learning_rate = 3e-4;
  run.train.warmup_steps = 50;
  return run;
}

RunConfig with_head_start(RunConfig run, double logit) {
  run.model.moe.router_bias = true;
  run.model.moe.router_bias_init.assign(run.model.moe.num_experts, 0.0);
  run.model.moe.router_bias_init[0] = logit;
  return run;
}

RunConfig without_aux_loss(RunConfig run) {
  run.model.moe.aux_loss_coef = 0;
  return run;
}

RouterBreak aux_off() {
  RunConfig run = lab_preset();
  run.train.steps = 500;
  const RunConfig broken = without_aux_loss(run);
  return {"aux-off",
          "the balance loss keeps experts evenly used",
          "Within 200 steps the router collapses: one expert takes more than 80 % of the tokens, the main loss looks "
          "fine, and validation ends worse than the dense model's.",
          {BreakClaim::kCollapsed, BreakClaim::kShareAbove80, BreakClaim::kMainLossFine, BreakClaim::kWorseThanDense},
          run,
          broken,
          run,
          "The balance loss is computed and logged, but its coefficient is 0, so nothing pulls the router back to even "
          "use.",
          {"Do not look at the main loss. Look at expert_counts over many steps.",
           "Compare the largest expert's share with 1/E (even) and 1/K (the most that is possible).",
           "Which term of the loss sees the counts, and what is it multiplied by?"}};
}

RouterBreak headstart() {
  const RunConfig healthy = with_head_start(settings(4), kHeadStart);
  return {
      "headstart",
      "a collapsed router feeds itself; only the balance loss pulls it back",
      "A router that starts ahead on one expert stays there without the balance loss and recovers with it.",
      {BreakClaim::kCollapsed, BreakClaim::kMainLossFine},
      healthy,
      without_aux_loss(healthy),
      healthy,
      "Expert 0 starts with about 99 % of the probability, so it alone is trained, so it stays the best choice; with "
      "a coefficient of 0 no gradient says otherwise.",
      {"The main loss goes down as in a healthy run. Look at expert_counts from the first step on.",
       "Which experts ever get a gradient from the main loss?",
       "Give the balance loss a coefficient (0.01; 0.05 when that is slow) and look at the counts again."}};
}

RouterBreak many_experts() {
  const RunConfig healthy = settings(16);
  return {
      "many-experts",
      "with many experts some die without anything planted",
      "With 16 experts and no balance loss most of them end without tokens.",
      {BreakClaim::kUneven, BreakClaim::kMainLossFine},
      healthy,
      without_aux_loss(healthy),
      healthy,
      "Sixteen experts share one batch, so small early differences decide who is trained at all; without the balance "
      "loss those left behind are never chosen again.",
      {"The aux loss stays near 1 while experts die: it is no detector. Count the experts below 0.1 of the mean.",
       "How many tokens does each expert see in a step, and what happens to one that sees none?",
       "Turn the balance loss on, or use fewer experts."}};
}

RouterBreak sham() {
  RunConfig healthy = without_aux_loss(with_head_start(settings(4), 0));
  healthy.model.moe.bias_balancing = true;
  healthy.model.moe.bias_update_rate = 1e-2;
  RunConfig broken = healthy;
  broken.model.moe.router_bias_init[0] = kHeadStart;
  RunConfig fixed = broken;
  fixed.model.moe.bias_balancing = false;
  fixed.model.moe.aux_loss_coef = 0.01;
  return {"sham",
          "even counts are not a balanced router",
          "Bias balancing evens the counts of a router that starts ahead, and the run looks healed.",
          {BreakClaim::kSham, BreakClaim::kMainLossFine},
          healthy,
          broken,
          fixed,
          "The bias moves the choice and not the weight: moved tokens reach their expert with a gate weight near 0, so "
          "those experts add little and learn little, while the counts are even.",
          {"expert_counts are even. Look at mean_probs: what share of the gate probability has expert 0?",
           "What weight does a token carry that the bias sent to expert 2?",
           "Even counts hide it from the balance loss too, whose gradient is then 0. Set expert_bias back to 0, turn "
           "bias balancing off and the balance loss on; or start the router evenly."}};
}

RouterBreak gate_zero_init() {
  const RunConfig healthy = settings(4);
  RunConfig broken = healthy;
  broken.model.moe.router_init_std = 0;
  RunConfig fixed = healthy;
  fixed.model.moe.router_init_std = 0;
  fixed.model.moe.aux_loss_coef = 0.05;
  return {"gate-zero-init",
          "ties are broken by index",
          "A router that starts at zero sends every token to expert 0 and stays there.",
          {BreakClaim::kCollapsed, BreakClaim::kShareAbove80},
          healthy,
          broken,
          fixed,
          "All logits are equal, and ties go to the lower index: every token of the first steps goes to expert 0.",
          {"Look at expert_counts of the first steps, not of the last.",
           "What does top-k choose when all scores are the same?",
           "Start the router's weight with a standard deviation of 0.02."}};
}

RouterBreak renorm_top1() {
  RunConfig healthy = settings(4);
  healthy.model.moe.allow_constant_gate = true;  // no effect on softmax_topk; so the twins differ in the order alone
  RunConfig broken = healthy;
  broken.model.moe.gate_order = GateOrder::kSoftmaxTopkRenorm;
  return {"renorm-top1",
          "a gate weight that is always 1 carries no gradient",
          "Renormalising a single chosen weight cuts the router off from the main loss.",
          {BreakClaim::kUneven, BreakClaim::kMainLossFine},
          healthy,
          broken,
          healthy,
          "The one chosen weight divided by itself is 1 whatever the router says, so the main loss has no gradient for "
          "the router; only the balance loss and weight decay move it.",
          {"Counts and gate mass look even. Look at the norm of the router's gradient of the main loss.",
           "What is w / w, and what is its derivative?", "With K = 1 use the gate order softmax_topk."}};
}

RouterBreak capacity_tight() {
  const RunConfig healthy = settings(4);
  RunConfig broken = healthy;
  broken.model.moe.capacity_factor = 0.5;
  return {
      "capacity-tight",
      "dropped tokens pass the layer untouched",
      "With too few slots an expert drops tokens, and counts taken before the drop look healthy.",
      {BreakClaim::kUneven, BreakClaim::kMainLossFine},
      healthy,
      broken,
      healthy,
      "A capacity factor of 0.5 gives all experts together slots for half of the assignments: the rest is dropped in "
      "every step, in training only.",
      {"expert_counts are even. Look at the drop rate.",
       "How many slots do E experts of capacity C have together, and how many assignments are there?",
       "Raise the capacity factor to 1.25 or more, or set it to 0 (dropless)."}};
}

RouterBreak lr_spike() {
  const RunConfig healthy = settings(4);
  RunConfig broken = healthy;
  broken.train.learning_rate = 0.1;
  return {
      "lr-spike",
      "not every broken run has a broken router",
      "A learning rate that is far too high throws the router onto few experts.",
      {BreakClaim::kUneven, BreakClaim::kMainLossFine},
      healthy,
      broken,
      healthy,
      "The peak learning rate is 33 times that of the healthy run. AdamW's steps do not shrink with the gradient, so "
      "every weight overshoots, the router's among them.",
      {"Look at the main loss around the end of the warm-up.",
       "Compare the gradient norm and the counts of the same steps.",
       "Halve the learning rate until the spikes are gone; model.moe.router_learning_rate_factor slows the router "
       "alone."}};
}

}  // namespace

const char* break_claim_name(BreakClaim claim) {
  switch (claim) {
    case BreakClaim::kCollapsed:
      return "collapsed";
    case BreakClaim::kSham:
      return "sham";
    case BreakClaim::kUneven:
      return "not-healthy";
    case BreakClaim::kShareAbove80:
      return "share-above-80-percent";
    case BreakClaim::kMainLossFine:
      return "main-loss-fine";
    case BreakClaim::kWorseThanDense:
      return "worse-than-dense";
  }
  return "";
}

std::vector<RouterBreak> router_breaks() {
  return {aux_off(),        headstart(),   many_experts(),   sham(),
          gate_zero_init(), renorm_top1(), capacity_tight(), lr_spike()};
}

}  // namespace minimoe
