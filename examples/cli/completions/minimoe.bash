# SPDX-License-Identifier: Apache-2.0
# bash completion for minimoe
_minimoe() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=
  if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    words="train eval sample compare corpus bench config doctor completions -h --help --version"
  elif [[ $current == -* ]]; then
    case ${COMP_WORDS[1]} in
      train) words="-h --help --preset --num-layers --d-model --num-heads --num-kv-heads --d-ff --vocab-size --max-seq-len --tied-embeddings --qk-norm --moe-layer --num-experts --top-k --d-expert --gate-order --allow-constant-gate --num-shared-experts --alpha --aux-loss-scope --z-loss --bias-balancing --bias-update-rate --capacity-factor --eval-capacity-factor --drop-priority --steps --batch-size --seq-len --accumulation-steps --lr --min-lr --warmup-steps --schedule --weight-decay --clip-norm --seed --corpus --format --languages --max-vocab --val-fraction --config --set --threads --isa --out --force --resume --log-interval --eval-interval --save-interval --eval-windows --stop-at --dense-baseline --json --quiet" ;;
      eval) words="-h --help --split --corpus --eval-windows --max-probes --json --threads --isa" ;;
      sample) words="-h --help --prompt --max-new-tokens --temperature --top-k-tokens --seed --count --corpus --json --threads --isa" ;;
      compare) words="-h --help --preset --num-layers --d-model --num-heads --num-kv-heads --d-ff --vocab-size --max-seq-len --tied-embeddings --qk-norm --moe-layer --num-experts --top-k --d-expert --gate-order --allow-constant-gate --num-shared-experts --alpha --aux-loss-scope --z-loss --bias-balancing --bias-update-rate --capacity-factor --eval-capacity-factor --drop-priority --steps --batch-size --seq-len --accumulation-steps --lr --min-lr --warmup-steps --schedule --weight-decay --clip-norm --seed --corpus --format --languages --max-vocab --val-fraction --config --set --threads --isa --lab --seeds --out --force --resume --log-interval --eval-windows --max-probes --json --quiet" ;;
      corpus) words="-h --help --corpus --format --languages --max-vocab --val-fraction --config --set --split --index --count --seq-len --seed --classes --vocabulary --json" ;;
      bench) words="-h --help --size --moe --dense --steps --warmup --json --threads --isa" ;;
      config) words="-h --help --preset --num-layers --d-model --num-heads --num-kv-heads --d-ff --vocab-size --max-seq-len --tied-embeddings --qk-norm --moe-layer --num-experts --top-k --d-expert --gate-order --allow-constant-gate --num-shared-experts --alpha --aux-loss-scope --z-loss --bias-balancing --bias-update-rate --capacity-factor --eval-capacity-factor --drop-priority --steps --batch-size --seq-len --accumulation-steps --lr --min-lr --warmup-steps --schedule --weight-decay --clip-norm --seed --corpus --format --languages --max-vocab --val-fraction --config --set --threads --isa --toml --keys --json" ;;
      doctor) words="-h --help --preset --num-layers --d-model --num-heads --num-kv-heads --d-ff --vocab-size --max-seq-len --tied-embeddings --qk-norm --moe-layer --num-experts --top-k --d-expert --gate-order --allow-constant-gate --num-shared-experts --alpha --aux-loss-scope --z-loss --bias-balancing --bias-update-rate --capacity-factor --eval-capacity-factor --drop-priority --steps --batch-size --seq-len --accumulation-steps --lr --min-lr --warmup-steps --schedule --weight-decay --clip-norm --seed --corpus --format --languages --max-vocab --val-fraction --config --set --threads --isa --json" ;;
      completions) words="-h --help" ;;
    esac
  else
    case "${COMP_WORDS[1]} $previous" in
      'bench --size') words="lab mid" ;;
      'completions completions') words="bash zsh fish" ;;
      *) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o filenames -F _minimoe minimoe
