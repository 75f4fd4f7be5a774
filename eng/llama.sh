#!/usr/bin/env bash
# Tests that llama.cpp loads the GGUF files that we write, and computes the same logits. Needs node, npm and the network
# (or its cache); installs node-llama-cpp with its prebuilt library once, in artifacts/llama or the folder that
# MAMBA_LLAMA names. Build the tests before.
set -euo pipefail
cd "$(dirname "$0")/.."
export MAMBA_LLAMA=${MAMBA_LLAMA:-$PWD/artifacts/llama}
if [ ! -e "$MAMBA_LLAMA/node_modules/node-llama-cpp" ]; then
  mkdir -p "$MAMBA_LLAMA"
  npm install --prefix "$MAMBA_LLAMA" --ignore-scripts --no-audit --no-fund node-llama-cpp@3.22.1
fi
tests/Mamba.Tests/bin/Release/net10.0/Mamba.Tests -class "*LlamaTests" "$@"
