#!/usr/bin/env bash
# Runs programs that restore the packages as somebody else does: outside this folder, by package references alone.
#   eng/consumer.sh PACKAGES      the folder that `dotnet pack` wrote
# Packages come from that folder first, into a cache of their own, so that no older build is taken.
set -euo pipefail
packages=$(cd "${1:?where the packages are}" && pwd)
cd "$(dirname "$0")/.."
version=$(sed -n 's:.*<VersionPrefix>\(.*\)</VersionPrefix>.*:\1:p' Directory.Build.props)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export NUGET_PACKAGES=$work/cache

mkdir "$work/program"
cp tests/Mamba.Consumer/*.cs "$work/program"
cat >"$work/nuget.config" <<EOF
<configuration>
  <packageSources><add key="packed" value="$packages" /></packageSources>
</configuration>
EOF
cat >"$work/program/program.csproj" <<EOF
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
  </PropertyGroup>
  <ItemGroup><PackageReference Include="Mamba.Models" Version="[$version]" /></ItemGroup>
</Project>
EOF
echo "a program"
(cd "$work/program" && dotnet run -c Release)

for sample in classifier custom-operation two-threads; do
  echo "samples/$sample.cs"
  sed "s|#:project ../src/\(.*\)/.*\.csproj|#:package \1@$version|" "samples/$sample.cs" >"$work/$sample.cs"
  (cd "$work" && dotnet run -c Release "$sample.cs")
done

echo "the tool"
(cd "$work" && dotnet tool install --tool-path "$work/tool" Mamba.Cli --version "$version")
"$work/tool/mamba" generate "$PWD/samples/model" --prompt "In the beginning" --tokens 40 --temperature 0
