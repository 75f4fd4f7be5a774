#!/usr/bin/env bash
# Checks `mamba serve` with programs of others: the npm client of OpenAI, and the page to chat in headless Chromium. Each
# is skipped, with the reason, where it is missing. Build the solution with -c Release before.
#   eng/serve-clients.sh [FOLDER]     the folder gets screenshots of the page
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "skipped: node is missing"; exit 0; }
work=$(mktemp -d)
shots=${1:-$work}
mkdir -p "$shots"
server=
finish() {
  local code=$? # of the checks, whatever ends or stays here
  set +e
  [ -z "$server" ] || kill "$server" 2>/dev/null
  wait
  rm -rf "$work"
  exit $code
}
trap finish EXIT
echo '{% for message in messages %}{{ message.content }}{{ " " }}{% endfor %}' >"$work/template"

start() { # starts a server with more options; sets url
  dotnet src/Mamba.Cli/bin/Release/net10.0/Mamba.Cli.dll serve samples/model --port 0 "$@" 2>"$work/log" &
  server=$!
  until url=$(grep -om1 'http://[^;, ]*' "$work/log"); do
    kill -0 $server 2>/dev/null || { cat "$work/log"; exit 1; }
    sleep 0.2
  done
}
stop() { kill "$server"; wait "$server" || true; server=; }

start --template "$work/template"
if command -v npm >/dev/null && npm install --prefix "$work" --ignore-scripts --no-audit --no-fund openai@6.30.1 \
  >"$work/npm" 2>&1; then
  (cd "$work" && node "$OLDPWD/eng/serve-clients.mjs" "$url")
else
  echo "skipped: the npm client; npm is missing or could not install it"
fi
stop

browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -n "$browser" ]; then
  start
  CHROMIUM=$browser node eng/serve-page.mjs "$url" "$shots"
  stop
else
  echo "skipped: the page; Chromium is missing"
fi
