#!/usr/bin/env bash
# Runs the AdvSimd code of Arm64 on an x64 Debian: the reference data and samples/aot.cs, compiled ahead of time for
# linux-arm64 and emulated by qemu.
#   eng/arm64.sh [GOLDEN]     GOLDEN: the folder of reference data; without it, samples/aot.cs alone
# It needs root, to install the cross compiler and the emulator. Where that cannot be done, it says so and ends with 0.
set -euo pipefail
cd "$(dirname "$0")/.."
golden=${1:-}
note() { echo "Arm64 was not checked: $*"; exit 0; }
[ "$(uname -m)" = x86_64 ] || note "this is no x64 machine"
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || note "installing qemu and the cross compiler needs root and apt-get"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
sysroot=$work/sysroot
triple=aarch64-linux-gnu
foreign=(zlib1g zlib1g-dev libssl3 libstdc++6 libgcc-s1) # what a program links or loads beside libc

install() {
  dpkg --add-architecture arm64
  apt-get update -q
  apt-get install -y -q --no-install-recommends qemu-user clang lld gcc-$triple libc6-dev-arm64-cross
  (cd "$work" && apt-get download "${foreign[@]/%/:arm64}" && for deb in *.deb; do dpkg -x "$deb" "$work/debs"; done)
}
install >"$work/install.log" 2>&1 || { tail -n 5 "$work/install.log"; note "Debian's packages cannot be had"; }

# A sysroot has the layout of the other machine: Debian's cross packages are laid out for compilers on this one.
lib=$sysroot/usr/lib/$triple
mkdir -p "$lib" "$sysroot/usr/include" "$sysroot/usr/lib/gcc/$triple" "$sysroot/usr/$triple" "$sysroot/lib"
cp -r /usr/$triple/lib/. "$lib"
cp -r /usr/$triple/include/. "$sysroot/usr/include"
cp -r /usr/lib/gcc-cross/$triple/. "$sysroot/usr/lib/gcc/$triple"
for folder in "$work"/debs/usr/lib/$triple "$work"/debs/lib/$triple; do
  [ ! -d "$folder" ] || cp -a "$folder/." "$lib"
done
ln -sn "../lib/$triple" "$sysroot/usr/$triple/lib" # the linker script libc.so names this path
cp -L "$lib/ld-linux-aarch64.so.1" "$sysroot/lib"

publish() { # PROJECT OR FILE, FOLDER
  # ILGPU, which the conformance runner refers to and does not use here, warns about reflection.
  dotnet publish "$1" -c Release -r linux-arm64 -o "$work/$2" -v q -nologo -p:IlcTreatWarningsAsErrors=false \
    -p:SuppressTrimAnalysisWarnings=true -p:NoWarn=IL2104%3BIL3053%3BIL3000%3BIL3002 -p:PublishAot=true -p:SysRoot="$sysroot" -p:LinkerFlavor=lld -p:StripSymbols=false
}
emulate() { qemu-aarch64 -L "$sysroot" "$@"; }

publish samples/aot.cs aot
emulate "$work/aot/aot"
if [ -n "$golden" ]; then
  publish tests/Mamba.Conformance conformance
  emulate "$work/conformance/Mamba.Conformance" "$golden"
fi
