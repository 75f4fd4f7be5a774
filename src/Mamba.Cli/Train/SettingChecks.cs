using System.Text;

namespace Mamba.Cli.Train;

/// <summary>What must hold between settings, in the words of the user.</summary>
internal static class SettingChecks
{
    private const int DefaultHead = 64;

    /// <summary>Checks settings whose ranges have been checked.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="nameOf">What the user calls a setting.</param>
    /// <param name="isSeparatorGiven">Whether the separator is not just the default.</param>
    /// <returns>The settings, without a separator where tokens are no text.</returns>
    /// <exception cref="InvalidDataException">They contradict each other.</exception>
    public static TrainSettings Check(TrainSettings settings, Func<string, string> nameOf, bool isSeparatorGiven)
    {
        if (settings.Data.Length == 0)
        {
            throw new InvalidDataException("Expected --data, the file or folder of the training text.");
        }

        if (settings.TokenBytes is not (1 or 2 or 4))
        {
            throw new InvalidDataException(
                $"{nameOf("token_bytes")}: expected 1, 2 or 4; found {settings.TokenBytes}.");
        }

        if (settings.TokenBytes > 1 && isSeparatorGiven && settings.Separator.Length > 0)
        {
            throw new InvalidDataException(
                $"{nameOf("separator")}: the separator is text, but with {nameOf("token_bytes")} " +
                $"{settings.TokenBytes} the data are numbers. Leave the separator empty: every file is one document.");
        }

        RequirePaths(settings, nameOf);
        RequireKnownSeparator(settings, nameOf);
        int head = settings.Head > 0 ? settings.Head : DefaultHead;
        if (settings is { Model: ModelKind.Mamba2, From: "" } && 2L * settings.Dim % head != 0)
        {
            throw new InvalidDataException(
                $"{nameOf("dim")}: twice {settings.Dim} is not a multiple of {nameOf("head")} {head}.");
        }

        if ((long)settings.Batch * settings.Length > int.MaxValue)
        {
            throw new InvalidDataException(
                $"{nameOf("batch")} {settings.Batch} times {nameOf("length")} {settings.Length}: expected at most " +
                $"{int.MaxValue} tokens in a batch.");
        }

        if (settings is { Batches: BatchKind.Packed, Batch: 1, Length: 1 })
        {
            throw new InvalidDataException(
                $"{nameOf("length")}: expected at least 2 tokens in a batch of packed documents; found 1.");
        }

        // The quotient, because 1e-40 of rank 2^20 is 0 as a float.
        if (settings.LoraRank > 0 && (float)(settings.LoraAlpha / settings.LoraRank) is not > 0)
        {
            throw new InvalidDataException(
                $"{nameOf("lora_alpha")}: expected a number above 0, also divided by {nameOf("lora_rank")} " +
                FormattableString.Invariant($"{settings.LoraRank}; found {settings.LoraAlpha}."));
        }

        DeviceSetting.Read(settings.Device, settings.Threads, nameOf("device"));
        return settings.TokenBytes > 1 ? settings with { Separator = "" } : settings;
    }

    private static void RequirePaths(TrainSettings settings, Func<string, string> nameOf)
    {
        if (string.IsNullOrWhiteSpace(settings.Output))
        {
            throw new InvalidDataException(
                $"{nameOf("output")}: expected a folder for the run; found \"{settings.Output}\".");
        }

        ReadOnlySpan<(string Key, string Path)> paths =
            [("data", settings.Data), ("output", settings.Output), ("from", settings.From)];
        foreach ((string key, string path) in paths)
        {
            if (path.Contains('\0'))
            {
                throw new InvalidDataException($"{nameOf(key)}: expected a path; found one with the character U+0000.");
            }
        }
    }

    /// <summary>Throws if a byte of the separator can be no token.</summary>
    private static void RequireKnownSeparator(TrainSettings settings, Func<string, string> nameOf)
    {
        byte[] bytes = settings.TokenBytes == 1 ? Encoding.UTF8.GetBytes(settings.Separator) : [];
        if (bytes.Length > 0 && bytes.Max() >= settings.Vocabulary)
        {
            throw new InvalidDataException(
                $"{nameOf("vocabulary")}: expected at least {bytes.Max() + 1}, because {nameOf("separator")} has a " +
                $"byte of {bytes.Max()}; found {settings.Vocabulary}. Leave the separator empty, or choose a larger " +
                "vocabulary.");
        }
    }
}
