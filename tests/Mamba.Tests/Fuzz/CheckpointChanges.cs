using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Mamba.Tests.Fuzz;

/// <summary>Changes of the checkpoints of a run.</summary>
internal static partial class CheckpointChanges
{
    private const string Sums = "SHA256SUMS", Record = "training.json";

    /// <summary>A random change of a name, or of a step in its file and in its folder's name alike.</summary>
    public static (FuzzSeed Files, string Change) Of(FuzzSeed seed, Random random)
    {
        string? record = seed.Files.Keys.FirstOrDefault(path => Checkpoint().IsMatch(path));
        if (record is null || random.Next(2) == 0)
        {
            return NameMutation.Of(seed, random);
        }

        long step = (long)(BoundaryValues.Numbers[random.Next(BoundaryValues.Numbers.Length)] & long.MaxValue);
        string text = Encoding.Latin1.GetString(seed.Files[record]), from = record[..^Record.Length];
        string to = $"{from[..from.IndexOf('/')]}/step-{step.ToString("D10", CultureInfo.InvariantCulture)}/";
        seed = seed.With(record, Encoding.Latin1.GetBytes(Step().Replace(text, $"${{1}}{step}", 1)));
        bool IsOf(string path, string folder) => path.StartsWith(folder, StringComparison.Ordinal);
        return (
            seed with
            {
                Files = seed.Files.Where(file => !IsOf(file.Key, to) || to == from).ToDictionary(
                    file => IsOf(file.Key, from) ? to + file.Key[from.Length..] : file.Key, file => file.Value),
            },
            $"{from} of step {step}");
    }

    /// <summary>Writes every list of checksums anew.</summary>
    public static FuzzSeed Repair(FuzzSeed seed)
    {
        string[] lists = [.. seed.Files.Keys.Where(path => path.EndsWith($"/{Sums}", StringComparison.Ordinal))];
        foreach (string list in lists)
        {
            string folder = list[..^Sums.Length];
            IEnumerable<string> lines = seed.Files
                .Where(file => file.Key != list && file.Key[..(file.Key.LastIndexOf('/') + 1)] == folder)
                .Select(file => (Name: file.Key[folder.Length..], Sum: SHA256.HashData(file.Value)))
                .Where(file => file.Name.Length > 0)
                .Select(file => $"{Convert.ToHexStringLower(file.Sum)}  {file.Name}\n");
            seed = seed.With(list, Encoding.UTF8.GetBytes(string.Concat(lines)));
        }

        return seed;
    }

    [GeneratedRegex(@"^\w+/step-[0-9]+/training\.json$")]
    private static partial Regex Checkpoint();

    [GeneratedRegex(@"(""step"": )-?\w+")]
    private static partial Regex Step();
}
