#!/usr/bin/env bash
# Compiles every C# snippet of README.md, docs/, the packages' READMEs, and the <example><code> of the XML documentation.
#   eng/snippets.sh     after the library was built with -c Release
# A snippet is a method of its own; types are visible on the whole page. What it takes from the text around it is declared in a comment that is not shown:
#   <!-- given: Device device, int[] prompt -->     in Markdown, on the line before ```csharp
#   <!-- usings: library -->                        in Markdown: the snippets from here on leave out their usings
# ```cs, in place of ```csharp, marks an excerpt of the library's own source, which is not compiled again.
# Examples of the XML documentation need no usings, and know the names in tests/Mamba.Snippets/Given.cs.
# Errors name the file and the line of the snippet.
set -euo pipefail
cd "$(dirname "$0")/.."
project=tests/Mamba.Snippets
out=$project/obj/snippets
rm -rf "$out"
mkdir -p "$out"

# Writes the snippets of one file; usings first, then the statements in a method, and types after it.
extract() { # FILE NAME
  awk -v out="$out/$2" -v source="$PWD/$1" '
    function decode(s) { gsub(/&lt;/, "<", s); gsub(/&gt;/, ">", s); gsub(/&quot;/, "\"", s); gsub(/&amp;/, "\\&", s)
      return s }
    function begin() { inside = 1; first = NR + 1; usings = ""; statements = ""; types = ""; intype = 0 }
    function end() {
      inside = 0; file = out "-" ++count ".cs"
      printf "%snamespace Snippets.%s;\n", all usings, id > file
      printf "sealed class Program%d%s\n{\n    static %s Run(%s)\n    {\n%s    }\n}\n%s", count,
        xml ? " : Mamba.Snippets.Given" : "", statements ~ /await / ? "async Task" : "void", given, statements, types > file
      close(file); given = ""
    }
    function line(text) {
      at = sprintf("#line %d \"%s\"\n", NR, source)
      if (text ~ /^using (static )?[A-Za-z.0-9]+;/) { usings = usings at text "\n"; return }
      if (text ~ /^(public|internal|sealed|abstract|readonly|file|static class)?.*(class|struct|record|interface) [A-Z]/ &&
          text ~ /^[a-z]/ && text !~ /;$|^(var|return) /) { intype = 1 }
      if (intype) { types = types at text "\n"; if (text ~ /^}/) intype = 0 }
      else statements = statements at text "\n"
    }
    BEGIN {
      n = split("Autograd Checkpoints Cpu Devices Gpu Layers Memory Models Models.Checkpoints Models.Data " \
        "Models.Generation Models.Gguf Models.Serving Models.Training Operations Optimization Orders Simd " \
        "Server StateSpace Text", names, " ")
      for (i = 1; i <= n; i++) library = library "using Mamba." names[i] ";\n"
      xml = source ~ /\.xml$/
      if (xml) all = library
      id = out; sub(/.*\//, "", id); gsub(/[^A-Za-z0-9]/, "_", id)
    }
    markdown = source ~ /\.md$/ {
      text = $0; indent = text; sub(/[^ ].*/, "", indent)
      if (text ~ /<!-- usings: library -->/) all = library
      if (!inside && text ~ /<!-- given: .* -->/) { given = text; sub(/.*given: /, "", given); sub(/ -->.*/, "", given) }
      else if (!inside && text ~ /^ *```csharp/) { margin = length(indent); begin() }
      else if (inside && text ~ /^ *```/) end()
      else if (inside) line(substr(text, margin + 1))
      next
    }
    { # XML documentation: the compiler has indented it
      text = decode($0)
      if (!inside && text ~ /<example>/) example = 1
      if (text ~ /<\/example>/) example = 0
      if (example && !inside && text ~ /<code>/) {
        begin(); indent = text; sub(/[^ ].*/, "", indent); margin = length(indent)
        sub(/.*<code>/, "", text); if (text !~ /[^ ]/) next; text = sprintf("%*s%s", margin, "", text) }
      if (inside) {
        last = text ~ /<\/code>/; sub(/<\/code>.*/, "", text)
        if (text ~ /[^ ]/) line(substr(text, margin + 1))
        if (last) end()
      }
    }' "$1"
}

for page in README.md docs/*.md; do extract "$page" "$(basename "$page" .md)"; done
for package in Mamba Mamba.Models Mamba.Gpu Mamba.Text Mamba.Server; do
  extract "src/$package/README.md" "$package.README"
  extract "src/$package/bin/Release/net10.0/$package.xml" "$package.xml"
done
dotnet build "$project" -c Release --no-dependencies -v q -nologo
echo "$(find "$out" -name '*.cs' | wc -l) snippets compile"
