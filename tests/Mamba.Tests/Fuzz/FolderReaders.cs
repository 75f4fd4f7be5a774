using System.Text.RegularExpressions;
using Mamba.Devices;
using Mamba.Models.Training;

namespace Mamba.Tests.Fuzz;

/// <summary>What is read of a run's folder before its checkpoints: leftovers, and the lock.</summary>
internal static partial class FolderReaders
{
    private const string Owner = ".lock-owner", StepPrefix = "step-";

    public static FuzzReader Leftovers { get; } = new()
    {
        Name = "leftovers",
        Seeds = [RunSeeds.Leftovers],
        Open = Claim,
        Change = NameMutation.Of,
        Refusals = NotWritable,
    };

    public static FuzzReader Lock { get; } = new()
    {
        Name = "lock",
        Seeds = [new(new Dictionary<string, byte[]> { [Owner] = "12345"u8.ToArray() }, Owner)],
        Open = LockTwice,
        Refusals = [typeof(IOException)],
    };

    /// <summary>What is thrown where a folder or a file is in the way of a run's own.</summary>
    public static IReadOnlyList<Type> NotWritable => [typeof(IOException), typeof(UnauthorizedAccessException)];

    /// <summary>Puts a run's folder right, twice; what is no leftover must stay as it is.</summary>
    private static RunFolder Claim(string folder, Device device)
    {
        string path = Directory.GetDirectories(folder).Single();
        Dictionary<string, byte[]> before = FilesOf(path);
        RunFolder run = new(path, keep: 2);
        try
        {
            run.Claim();
            Dictionary<string, byte[]> after = FilesOf(path), expected = Recovered(before);
            RequireSame(after, expected);
            run.Dispose();
            run.Claim();
            RequireSame(FilesOf(path), after);
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    private static Dictionary<string, byte[]> FilesOf(string folder)
    {
        Dictionary<string, byte[]> files = [];
        foreach (string path in Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories))
        {
            string name = Path.GetRelativePath(folder, path);
            if (Directory.Exists(path))
            {
                files[name + '/'] = [];
            }
            else if (name is not (".lock" or ".lock-owner"))
            {
                files[name] = File.ReadAllBytes(path);
            }
        }

        return files;
    }

    /// <summary>What a run's folder must hold afterwards.</summary>
    private static Dictionary<string, byte[]> Recovered(Dictionary<string, byte[]> files) => files
        .Where(file => !IsStep(HalfWritten().Match(file.Key)) && !Temporary().IsMatch(file.Key))
        .Select(file => (Match: Replaced().Match(file.Key), file.Key, file.Value))
        .Where(file => !IsStep(file.Match) || !files.ContainsKey(file.Match.Groups[1].Value + '/'))
        .ToDictionary(
            file => IsStep(file.Match) ? file.Match.Groups[1].Value + file.Match.Groups[2].Value : file.Key,
            file => file.Value);

    /// <summary>Whether the first group is the number of a step.</summary>
    private static bool IsStep(Match match) =>
        match.Success && long.TryParse(match.Groups[1].Value[StepPrefix.Length..], out _);

    private static void RequireSame(Dictionary<string, byte[]> found, Dictionary<string, byte[]> expected)
    {
        string[] lost = [.. expected.Where(file => !found.TryGetValue(file.Key, out byte[]? content)
            || !content.SequenceEqual(file.Value)).Select(file => file.Key)];
        string[] more = [.. found.Keys.Except(expected.Keys)];
        if (lost.Length + more.Length > 0)
        {
            throw new InvalidOperationException(
                $"Lost or changed: {string.Join(", ", lost)}; not expected: {string.Join(", ", more)}.");
        }
    }

    /// <summary>Locks a folder that is locked, with another owner's name.</summary>
    private static RunLock LockTwice(string folder, Device device)
    {
        string owner = Path.Combine(folder, Owner);
        byte[] name = File.ReadAllBytes(owner);
        using RunLock first = RunLock.Take(folder);
        File.WriteAllBytes(owner, name);
        return RunLock.Take(folder);
    }

    [GeneratedRegex(@"^(step-[0-9]+)(\.replaced)?\.partial/")]
    private static partial Regex HalfWritten();

    [GeneratedRegex(@"^(step-[0-9]+)\.replaced(/.*)$", RegexOptions.Singleline)]
    private static partial Regex Replaced();

    [GeneratedRegex(@"^[^/]*\.[0-9a-fA-F]{32}\.tmp$")]
    private static partial Regex Temporary();
}
