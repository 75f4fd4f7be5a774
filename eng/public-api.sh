#!/usr/bin/env bash
# Writes the public API of the packages anew: src/*/PublicAPI.Unshipped.txt, one line for each public member, so that a
# change of the API shows in review. The build of the solution fails while code and files differ (RS0016, RS0017).
# When a version is released, the lines move to PublicAPI.Shipped.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in Mamba Mamba.Models Mamba.Gpu Mamba.Text Mamba.Server; do
  shipped=src/$package/PublicAPI.Shipped.txt
  [ -e "$shipped" ] || echo "#nullable enable" >"$shipped"
  echo "#nullable enable" >"src/$package/PublicAPI.Unshipped.txt"
done
dotnet restore Mamba.sln -v q
for package in Mamba Mamba.Models Mamba.Gpu Mamba.Text Mamba.Server; do
  dotnet format analyzers "src/$package/$package.csproj" --no-restore --diagnostics RS0016 --severity warn
  echo "$package: $(($(wc -l <"src/$package/PublicAPI.Unshipped.txt") - 1)) lines"
done
