# SPDX-License-Identifier: Apache-2.0
# bash completion for minimoe
_minimoe() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=
  if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    words="train eval analyze sample compare break health corpus report import export logits upcycle bench config doctor completions -h --help --version"
  elif [[ $current == -* ]]; then
    case ${COMP_WORDS[1]} in
      train) words="-h --help --preset --num-layers --d-model --num-heads --num-kv-heads --d-ff --vocab-size --max-seq-len --tied-embeddings --qk-norm --qk-norm-full-width --moe-layer --num-experts --top-k --d-expert --gate-order --allow-constant-gate --num-shared-experts --shared-expert-gate --alpha --aux-loss-scope --z-loss --bias-balancing --bias-update-rate --capacity-factor --eval-capacity-factor --drop-priority --steps --batch-size --seq-len --accumulation-steps --lr --min-lr --warmup-steps --schedule --weight-decay --clip-norm --precision --seed --corpus --format --languages --tokenizer --max-vocab --val-fraction --config --set --threads --isa --out --force --resume --init-from --log-interval --eval-interval --save-interval --metrics --eval-windows --stop-at --dense-baseline --json --quiet" ;;
      eval) words="-h --help --split --corpus --eval-windows --max-probes --json --threads --isa" ;;
      analyze) words="-h --help --hf --text --conllu --seq-len --split --max-windows --out --corpus --seed --json --threads --isa" ;;
      sample) words="-h --help --prompt --max-new-tokens --temperature --top-k --top-k-tokens --top-p --seed --count --corpus --json --threads --isa" ;;
      compare) words="-h --help --preset --num-layers --d-model --num-heads --num-kv-heads --d-ff --vocab-size --max-seq-len --tied-embeddings --qk-norm --qk-norm-full-width --moe-layer --num-experts --top-k --d-expert --gate-order --allow-constant-gate --num-shared-experts --shared-expert-gate --alpha --aux-loss-scope --z-loss --bias-balancing --bias-update-rate --capacity-factor --eval-capacity-factor --drop-priority --steps --batch-size --seq-len --accumulation-steps --lr --min-lr --warmup-steps --schedule --weight-decay --clip-norm --precision --seed --corpus --format --languages --tokenizer --max-vocab --val-fraction --config --set --threads --isa --lab --check --seeds --out --force --resume --log-interval --metrics --eval-windows --max-probes --json --quiet --balance --interference-interval" ;;
      break) words="-h --help --corpus --format --languages --tokenizer --max-vocab --val-fraction --config --set --threads --isa --seeds --first-seed --out --force --log-interval --eval-windows --json --quiet" ;;
      health) words="-h --help --window --warmup --settle-steps --collapsed-below --skewed-below --always-chosen-above --often-chosen-above --overloaded-above --gate-collapsed-below --gate-excess-above --gate-gap-above --drop-rate-above --cold-below --hot-above --chance-above --early-share-above --falling-above --json" ;;
      corpus) words="-h --help --corpus --format --languages --tokenizer --max-vocab --val-fraction --config --set --split --index --count --seq-len --seed --classes --vocabulary --json" ;;
      report) words="-h --help" ;;
      import) words="-h --help --out --force --threads --isa" ;;
      export) words="-h --help --to --corpus --no-tokenizer --force --threads --isa" ;;
      logits) words="-h --help --tokens --out --router --grads --threads --isa" ;;
      upcycle) words="-h --help --out --experts --top-k --blocks --gate-order --router-init-std --seed --force --threads --isa" ;;
      bench) words="-h --help --size --moe --dense --profile --steps --warmup --json --config --set --threads --isa" ;;
      config) words="-h --help --preset --num-layers --d-model --num-heads --num-kv-heads --d-ff --vocab-size --max-seq-len --tied-embeddings --qk-norm --qk-norm-full-width --moe-layer --num-experts --top-k --d-expert --gate-order --allow-constant-gate --num-shared-experts --shared-expert-gate --alpha --aux-loss-scope --z-loss --bias-balancing --bias-update-rate --capacity-factor --eval-capacity-factor --drop-priority --steps --batch-size --seq-len --accumulation-steps --lr --min-lr --warmup-steps --schedule --weight-decay --clip-norm --precision --seed --corpus --format --languages --tokenizer --max-vocab --val-fraction --config --set --threads --isa --toml --keys --json" ;;
      doctor) words="-h --help --preset --num-layers --d-model --num-heads --num-kv-heads --d-ff --vocab-size --max-seq-len --tied-embeddings --qk-norm --qk-norm-full-width --moe-layer --num-experts --top-k --d-expert --gate-order --allow-constant-gate --num-shared-experts --shared-expert-gate --alpha --aux-loss-scope --z-loss --bias-balancing --bias-update-rate --capacity-factor --eval-capacity-factor --drop-priority --steps --batch-size --seq-len --accumulation-steps --lr --min-lr --warmup-steps --schedule --weight-decay --clip-norm --precision --seed --corpus --format --languages --tokenizer --max-vocab --val-fraction --config --set --threads --isa --json" ;;
      completions) words="-h --help" ;;
    esac
  else
    case "${COMP_WORDS[1]} $previous" in
      'train --preset') words="gpt2 llama" ;;
      'train --gate-order') words="auto softmax_topk_renorm softmax_topk topk_softmax sigmoid_topk_renorm" ;;
      'train --aux-loss-scope') words="micro_batch sequence global_batch" ;;
      'train --drop-priority') words="position probability" ;;
      'train --schedule') words="constant cosine" ;;
      'train --precision') words="fp32 bf16" ;;
      'train --format') words="auto text jsonl conllu tokens llmc" ;;
      'train --languages') words="en es" ;;
      'train --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'eval --split') words="val held-out-verbs held-out-combinations" ;;
      'eval --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'analyze --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'sample --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'compare --preset') words="gpt2 llama" ;;
      'compare --gate-order') words="auto softmax_topk_renorm softmax_topk topk_softmax sigmoid_topk_renorm" ;;
      'compare --aux-loss-scope') words="micro_batch sequence global_batch" ;;
      'compare --drop-priority') words="position probability" ;;
      'compare --schedule') words="constant cosine" ;;
      'compare --precision') words="fp32 bf16" ;;
      'compare --format') words="auto text jsonl conllu tokens llmc" ;;
      'compare --languages') words="en es" ;;
      'compare --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'break --format') words="auto text jsonl conllu tokens llmc" ;;
      'break --languages') words="en es" ;;
      'break --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'corpus --format') words="auto text jsonl conllu tokens llmc" ;;
      'corpus --languages') words="en es" ;;
      'corpus --split') words="train val held-out-verbs held-out-combinations" ;;
      'import --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'export --to') words="hf gguf" ;;
      'export --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'logits --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'upcycle --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'bench --size') words="lab mid" ;;
      'bench --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'config --preset') words="gpt2 llama" ;;
      'config --gate-order') words="auto softmax_topk_renorm softmax_topk topk_softmax sigmoid_topk_renorm" ;;
      'config --aux-loss-scope') words="micro_batch sequence global_batch" ;;
      'config --drop-priority') words="position probability" ;;
      'config --schedule') words="constant cosine" ;;
      'config --precision') words="fp32 bf16" ;;
      'config --format') words="auto text jsonl conllu tokens llmc" ;;
      'config --languages') words="en es" ;;
      'config --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'doctor --preset') words="gpt2 llama" ;;
      'doctor --gate-order') words="auto softmax_topk_renorm softmax_topk topk_softmax sigmoid_topk_renorm" ;;
      'doctor --aux-loss-scope') words="micro_batch sequence global_batch" ;;
      'doctor --drop-priority') words="position probability" ;;
      'doctor --schedule') words="constant cosine" ;;
      'doctor --precision') words="fp32 bf16" ;;
      'doctor --format') words="auto text jsonl conllu tokens llmc" ;;
      'doctor --languages') words="en es" ;;
      'doctor --isa') words="auto avx512 avx2 sse4 scalar" ;;
      'completions completions') words="bash zsh fish" ;;
      *) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o filenames -F _minimoe minimoe
