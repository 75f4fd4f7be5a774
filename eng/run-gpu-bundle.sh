#!/usr/bin/env bash
# Runs everything that this archive holds on one device, and writes report.md. A step that fails is recorded, and the
# next one goes on.
#
#   ./run.sh [DEVICE [STEP...]]     DEVICE: cuda (if none is given), cuda:1, opencl, emulation or cpu
#                                   STEP: machine devices conformance bfloat16 tests benchmarks; all if none is given
#
# OUT    folder for report.md and the whole output of every step (the current one)
# LIMIT  seconds that one step may take (1200)
# DIVIDE what the benchmarks' sizes are divided by, on a slow device (1)
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$here/bin
out=${OUT:-.}
limit=${LIMIT:-1200}
device=${1:-cuda}
[ $# -gt 0 ] && shift
steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(machine devices conformance bfloat16 tests benchmarks)
mkdir -p "$out/logs"
report=$out/report.md
failed=0

machine() {
  date -u +'%Y-%m-%d %H:%M UTC'
  uname -srm
  grep -m 1 'model name' /proc/cpuinfo
  printf 'processors: %s\n' "$(nproc)"
  grep MemTotal /proc/meminfo
  printf 'MAMBA_CUBLAS=%s\n' "${MAMBA_CUBLAS:-}"
  { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep -E 'libcuda\.|libcublas\.|libOpenCL\.' ||
    echo 'the loader knows no driver'
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi
  else
    echo 'there is no nvidia-smi'
  fi
}

devices() { "$bin/Mamba.Conformance" --list; }

conformance() { # [,PRECISION]
  if [ -d "$here/golden" ]; then
    "$bin/Mamba.Conformance" "$here/golden" --device "$device${1:-}"
  else
    echo 'the archive has no reference data'
  fi
}

bfloat16() { conformance ,bfloat16; }

# One after the other: they share a device.
tests() { MAMBA_TEST_DEVICE=$device "$bin/Mamba.Tests" -parallelMode none -noColor -noLogo \
  -namespace- Mamba.Tests.Server; }

benchmarks() {
  if [ "$device" = cpu ]; then
    "$bin/Mamba.Benchmarks" quick
  else
    "$bin/Mamba.Benchmarks" gpu --device "$device" --divide "${DIVIDE:-1}"
  fi
}

# The output of a step, as far as it belongs in the report.
excerpt() { # STEP LOG
  if [ "$1" = tests ]; then
    grep -A 3 -F "[FAIL]" "$2" | head -n 400
    tail -n 3 "$2"
  else
    head -n 400 "$2"
  fi
}

export -f machine devices conformance bfloat16 tests benchmarks
export here bin device
{
  printf '# Mamba for .NET on %s\n\n' "$device"
  printf '| step | ended with | seconds |\n|---|---|---|\n'
} >"$report"
sections=$(mktemp)
trap 'rm -f "$sections"' EXIT
for step in "${steps[@]}"; do
  log=$out/logs/$step.txt
  start=$SECONDS
  timeout "$limit" bash -c "$step" >"$log" 2>&1 </dev/null
  code=$?
  [ $code = 0 ] || failed=$((failed + 1))
  word=$code
  [ $code = 124 ] && word="124, after its time"
  printf '| %s | %s | %d |\n' "$step" "$word" $((SECONDS - start)) | tee -a "$report"
  { printf '\n## %s\n\n```\n' "$step"; excerpt "$step" "$log"; printf '```\n'; } >>"$sections"
done
cat "$sections" >>"$report"
printf '%d of %d steps failed; see %s\n' $failed ${#steps[@]} "$report"
[ $failed = 0 ]
