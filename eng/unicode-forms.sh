#!/usr/bin/env bash
# Writes src/Mamba.Text/Unicode/Forms.txt: the decompositions and combining classes of the Unicode Character Database,
# of characters up to the version of Unicode that the Hugging Face tokenizers normalise by (9.0).
#   eng/unicode-forms.sh [FOLDER]    FOLDER has UnicodeData.txt, DerivedAge.txt and DerivedNormalizationProps.txt;
#                                    Debian's package unicode-data lays it at /usr/share/unicode
# A line is CODE=CODES (canonical), CODE!CODES (canonical, never composed), CODE~CODES (compatibility), FIRST-LAST:CLASS.
set -euo pipefail
data=${1:-/usr/share/unicode}
cd "$(dirname "$0")/.."
awk -F';' '
  function number(hex,  i, n) { n = 0; for (i = 1; i <= length(hex); i++)
    n = n * 16 + index("0123456789ABCDEF", toupper(substr(hex, i, 1))) - 1; return n }
  function range(text) { sub(/[ #].*/, "", text); split(text, ends, /\.\./); from = number(ends[1])
    to = ends[2] == "" ? from : number(ends[2]) }
  FILENAME ~ /DerivedAge/ { if ($1 ~ /^[0-9A-F]/ && $2 + 0 > 9.0) { range($1); for (c = from; c <= to; c++) young[c] } next }
  FILENAME ~ /Props/ { if ($2 ~ /Full_Composition_Exclusion/) { range($1); for (c = from; c <= to; c++) alone[c] } next }
  { code = number($1) }
  code in young { next }
  $6 != "" { text = $6; mark = code in alone ? "!" : "="; if (sub(/^<.*> /, "", text)) mark = "~"; print $1 mark text }
  $4 != 0 { if (code == last + 1 && $4 == class) { ends_at = $1 } else { if (class) print begins_at "-" ends_at ":" class
    begins_at = ends_at = $1; class = $4 } last = code }
  END { print begins_at "-" ends_at ":" class }
' "$data/DerivedAge.txt" "$data/DerivedNormalizationProps.txt" "$data/UnicodeData.txt" >src/Mamba.Text/Unicode/Forms.txt
wc src/Mamba.Text/Unicode/Forms.txt
