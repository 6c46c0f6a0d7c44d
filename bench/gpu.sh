#!/usr/bin/env bash
# Measure everything that needs a GPU, in under 10 minutes on one H100, and print one table.
#
#   bench/gpu.sh [--tiny]
#
# The four official architectures at full size with random weights: tokens per second of both engines. Then GPUs in the
# sandbox of each installed backend, the monitor, and waiting for free GPU memory. --tiny: small sizes, without a GPU.
# PYTHON names an interpreter with posttrainbench (default: .venv/bin/python), VLLM_PYTHON one with vLLM.
set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$here/.venv/bin/python}
vllm=${VLLM_PYTHON:-$here/.venv-vllm/bin/python}
tiny=()
if [[ ${1:-} == --tiny ]]; then
  tiny=(--tiny)
elif [[ $# -gt 0 ]]; then
  echo "usage: bench/gpu.sh [--tiny]" >&2
  exit 2
elif ! nvidia-smi --list-gpus >/dev/null 2>&1; then
  echo "nvidia-smi lists no GPU; to try the script without one: bench/gpu.sh --tiny" >&2
  exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
table=$work/table
failed=0

# part LIMIT TITLE ARGUMENT...: run a part for at most LIMIT seconds, and add a row to the table.
part() {
  local limit=$1 title=$2 result state=ok began=$SECONDS
  shift 2
  echo "$title ..." >&2
  if ! result=$(timeout --kill-after=10 "$limit" "$python" "$here/bench/gpu_parts.py" "$@" 2>"$work/error"); then
    state=FAILED
    failed=1
    result=$(grep -v '^ ' "$work/error" | tail -n 1)
  fi
  printf '%s\t%s\t%s\t%s s\n' "$title" "$state" "${result:-no output within $limit s}" $((SECONDS - began)) >>"$table"
}

for model in $("$python" "$here/bench/gpu_parts.py" models); do
  part 60 "$model: build" build "$model" "$work/$model" "${tiny[@]}"
  part 90 "$model: transformers" throughput transformers "$work/$model" "${tiny[@]}"
  if [[ -x $vllm ]]; then
    part 120 "$model: vllm" throughput vllm "$work/$model" --python "$vllm" "${tiny[@]}"
  else
    printf '%s\t%s\t%s\t\n' "$model: vllm" "not run" "no vLLM; \`make vllm\` installs it" >>"$table"
  fi
  rm -rf "${work:?}/$model"
done
for backend in bubblewrap podman docker apptainer; do
  program=${backend/bubblewrap/bwrap}
  if command -v "$program" >/dev/null; then
    part 60 "sandbox $backend" sandbox "$backend"
  else
    printf '%s\t%s\t%s\t\n' "sandbox $backend" "not run" "$program is not installed" >>"$table"
  fi
done
part 30 "monitor" monitor
part 90 "free-memory wait" wait

column -t -s $'\t' -N part,state,result,time "$table"
exit $failed
