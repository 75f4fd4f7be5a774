using System.Text;

namespace Mamba.Tests.Fuzz;

/// <summary>Changes of the names in a folder: odd ones, missing ones, folders in place of files.</summary>
/// <remarks>The first folder of a path keeps its name: it tells the reader what the files are.</remarks>
internal static class NameMutation
{
    private static readonly string[] _odd =
    [
        " ", "...", "~", "-", "*", "a?b", "a\\b", "a:b", "a\nb", "\u0001", "é", "日本", ".lock", ".lock-owner",
        "probe", "SHA256SUMS", "training.json", "training.safetensors", "note.txt", ".tmp", "..tmp", "a.tmp",
        "0123456789abcdef0123456789abcdef.tmp", "a.0123456789abcdef0123456789abcdef.tmp",
        ".0123456789ABCDEF0123456789ABCDEF.tmp", "a.0123456789abcdef0123456789abcdeg.tmp", "step", "step-",
        "step-.partial", "step-.replaced", "step-0", "step-1", "step-2", "step-0000000001", "step-0000000002",
        "step-00000000001", "step-0000000001.partial", "step-0000000001.replaced", "step-0000000002.replaced",
        "step-1.replaced.partial", "step-1.partial.replaced", "step--1", "step-+1", "step- 1", "step-1 ",
        "step-0x1", "step-١", "step-9999999999",
        "step-9223372036854775807", "step-9223372036854775808", "step-99999999999999999999", "step-notes.partial",
        "step-notes.replaced", "STEP-0000000001", ".partial", ".replaced", "a.txt", ".txt", "b.TXT", "c.txt.txt",
        $"step-{new string('1', 241)}.replaced", $"step-{new string('1', 242)}.partial", new('x', 255),
    ];

    private static readonly string[] _names = [.. _odd.Where(
        name => name.IndexOfAny(Path.GetInvalidFileNameChars()) < 0)];

    private static readonly string[] _ends = [".partial", ".replaced", ".tmp", ".txt", " ", "0", "."];

    /// <summary>A random change of a name.</summary>
    public static (FuzzSeed Files, string Change) Of(FuzzSeed seed, Random random)
    {
        string[] paths =
            [.. seed.Files.Keys.SelectMany(Prefixes).Where(IsInside).Distinct().Order(StringComparer.Ordinal)];
        if (paths.Length == 0)
        {
            return (seed, "nothing");
        }

        string path = paths[random.Next(paths.Length)], other = ParentOf(path) + OddName(path, random);
        (IEnumerable<KeyValuePair<string, byte[]>> files, string change) = random.Next(6) switch
        {
            0 => (Without(seed, path), $"{path} removed"),
            1 => (Renamed(seed, path, other), $"{path} called {other}"),
            2 => (seed.Files.Concat(Renamed(seed, path, other)), $"{path} also called {other}"),
            3 => (Without(seed, path).Append(new(path.TrimEnd('/') + "/", [])), $"{path} an empty folder"),
            4 => (Without(seed, path).Append(new(path.TrimEnd('/'), [1])), $"{path} a file"),
            _ => (seed.Files.Append(new(other + (random.Next(2) == 0 ? "/" : ""), [])), $"{other} beside {path}"),
        };
        Dictionary<string, byte[]> changed = [];
        foreach ((string name, byte[] content) in files)
        {
            changed[name] = content;
        }

        string root = path[..(path.IndexOf('/') + 1)];
        if (!changed.Keys.Any(name => name.StartsWith(root, StringComparison.Ordinal)))
        {
            changed[root] = [];
        }

        return IsFolder(changed) ? (seed with { Files = changed }, change) : (seed, "nothing");
    }

    /// <summary>A path and the folders above it, which end in a slash.</summary>
    private static IEnumerable<string> Prefixes(string path)
    {
        for (int at = path.IndexOf('/'); at >= 0; at = path.IndexOf('/', at + 1))
        {
            yield return path[..(at + 1)];
        }

        yield return path;
    }

    private static bool IsInside(string path) => path.TrimEnd('/').Contains('/');

    private static string ParentOf(string path) => path[..(path.TrimEnd('/').LastIndexOf('/') + 1)];

    private static string OddName(string path, Random random)
    {
        string own = path.TrimEnd('/')[ParentOf(path).Length..];
        return random.Next(3) == 0 ? own + _ends[random.Next(_ends.Length)] : _names[random.Next(_names.Length)];
    }

    private static bool IsAt(string name, string path) =>
        name == path || (path.EndsWith('/') && name.StartsWith(path, StringComparison.Ordinal));

    private static IEnumerable<KeyValuePair<string, byte[]>> Without(FuzzSeed seed, string path) =>
        seed.Files.Where(file => !IsAt(file.Key, path));

    private static IEnumerable<KeyValuePair<string, byte[]>> Renamed(FuzzSeed seed, string path, string other) =>
        seed.Files.Select(file => !IsAt(file.Key, path) ? file
            : new(other + file.Key[path.TrimEnd('/').Length..], file.Value));

    /// <summary>Whether no path is both a file and a folder, and no name is too long.</summary>
    private static bool IsFolder(Dictionary<string, byte[]> files)
    {
        HashSet<string> folders = [.. files.Keys.SelectMany(Prefixes).Where(path => path.EndsWith('/'))];
        return files.Keys.All(path => !folders.Contains(path + "/")
            && path.Split('/').All(name => Encoding.UTF8.GetByteCount(name) <= 255));
    }
}
