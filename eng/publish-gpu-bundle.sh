#!/usr/bin/env bash
# Makes one archive that runs on a linux-x64 machine with a GPU and nothing of .NET: the conformance runner, the tests
# and the benchmarks over one copy of the runtime, with a script that runs them all and writes a report.
#
#   eng/publish-gpu-bundle.sh [-o ARCHIVE] [FOLDER_OF_REFERENCE_DATA]
set -euo pipefail
cd "$(dirname "$0")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
limit=40000000 # bytes

archive=artifacts/mamba-gpu-linux-x64.tar.xz
if [ "${1:-}" = -o ]; then
  archive=$2
  shift 2
fi
golden=${1:-}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bundle=$work/mamba-gpu
for project in tests/Mamba.Conformance tests/Mamba.Tests benchmarks/Mamba.Benchmarks; do
  # Not trimmed: ILGPU makes code at run time and finds what it needs by reflection.
  dotnet publish "$project" -c Release -r linux-x64 --self-contained -o "$bundle/bin" \
    --artifacts-path "$work/build" -p:SatelliteResourceLanguages=en -v quiet
done

# What nothing here calls: BenchmarkDotNet's compiler, disassemblers and tracing, and the runtime's debugger; ASP.NET Core
# and a client for the tests of the server, which run.sh leaves out; and ONNX Runtime and a tokenizer library, for quick
# rows and tests that say without them that they failed.
(cd "$bundle/bin" && rm -rf ./*.xml Microsoft.CodeAnalysis*.dll Microsoft.Diagnostics*.dll Iced.dll \
  Gee.External.Capstone.dll libcapstone.so amd64 arm64 x86 \
  Microsoft.AspNetCore*.dll OpenAI.dll libonnxruntime*.so onnxruntime*.dll libhf_tokenizers.so \
  libmscordaccore.so libmscordbi.so libcoreclrtraceptprovider.so createdump)

cp eng/run-gpu-bundle.sh "$bundle/run.sh"
chmod +x "$bundle/run.sh"
if [ -n "$golden" ]; then
  cp -rL "$golden" "$bundle/golden"
fi

mkdir -p "$(dirname "$archive")"
tar -C "$work" --sort=name --owner=0 --group=0 --mtime=@0 -c mamba-gpu | xz -T0 -6 >"$archive"
size=$(stat -c %s "$archive")
printf '%s: %d bytes\n' "$archive" "$size"
if [ "$size" -gt $limit ]; then
  printf 'That is more than %d bytes.\n' $limit >&2
  exit 1
fi
