using System.Text;
using System.Text.RegularExpressions;
using Mamba.Text;

namespace Mamba.Benchmarks.Quick;

/// <summary>Tokenizers on one core, over a vocabulary of the most frequent words of samples/data/kjv.txt.</summary>
/// <remarks>
/// The vocabulary is GPT-2's in kind: bytes, and merges that make each word letter by letter. Text of other words, of
/// which none is in the cache of words, takes the longest.
/// </remarks>
internal static class TokenizerRows
{
    private const int Words = 10_000, Length = 2_000_000;

    private static readonly Lazy<string> _text = new(() => File.ReadAllText(Sample()));
    private static readonly Lazy<TextTokenizer> _tokenizer = new(Tokenizer);

    public static IEnumerable<QuickRow> All =>
    [
        new("tokenizer: encode, a book", "MB/s", _ => Speed(_text.Value[..Length], Encode)) { Goal = 2 },
        new("tokenizer: encode, random words", "MB/s", _ => Speed(RandomWords(), Encode)) { Goal = 2 },
        new("tokenizer: decode, a book", "MB/s", _ =>
        {
            int[] ids = _tokenizer.Value.Encode(_text.Value[..Length]);
            return Speed(_text.Value[..Length], _ => _tokenizer.Value.Decode(ids));
        }),
    ];

    private static void Encode(string text) => _tokenizer.Value.Encode(text);

    private static double Speed(string text, Action<string> action) =>
        Encoding.UTF8.GetByteCount(text) / 1e6 / Timing.Seconds(() => action(text));

    // Every word is another one, so that the cache of words is of no use.
    private static string RandomWords()
    {
        Random random = new(1);
        StringBuilder text = new();
        while (text.Length < Length)
        {
            text.Append(' ');
            for (int left = random.Next(5, 10); left > 0; left--)
            {
                text.Append((char)('a' + random.Next(26)));
            }
        }

        return text.ToString();
    }

    private static TextTokenizer Tokenizer()
    {
        ByteTokenizer bytes = new();
        List<string> tokens = [.. Enumerable.Range(0, 256).Select(id => bytes.TokenOf(id)!)];
        HashSet<string> known = [.. tokens];
        List<string> merges = [];
        IEnumerable<string> words = Regex.Matches(_text.Value, " [A-Za-z]+").CountBy(match => match.Value)
            .OrderByDescending(word => word.Value).ThenBy(word => word.Key, StringComparer.Ordinal)
            .Take(Words).Select(word => word.Key.Replace(' ', 'Ġ'));
        foreach (string word in words)
        {
            for (int end = 2; end <= word.Length; end++)
            {
                if (known.Add(word[..end]))
                {
                    tokens.Add(word[..end]);
                    merges.Add($"{word[..(end - 1)]} {word[(end - 1)..end]}");
                }
            }
        }

        return TextTokenizer.Create(new() { Model = "gpt2", PreTokenizer = "gpt-2", Tokens = tokens, Merges = merges });
    }

    private static string Sample()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string path = Path.Combine(folder.FullName, "samples", "data", "kjv.txt");
            if (File.Exists(path))
            {
                return path;
            }
        }

        throw new FileNotFoundException("There is no samples/data/kjv.txt in a folder around this program.");
    }
}
