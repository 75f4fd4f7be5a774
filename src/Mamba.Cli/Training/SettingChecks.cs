namespace Mamba.Cli.Training;

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
            throw new InvalidDataException("Expected --data, a file or a folder to learn from.");
        }

        if (settings.TokenBytes is not (1 or 2 or 4))
        {
            throw new InvalidDataException(
                $"{nameOf("token_bytes")}: expected 1, 2 or 4; found {settings.TokenBytes}.");
        }

        if (settings.TokenBytes > 1 && isSeparatorGiven && settings.Separator.Length > 0)
        {
            throw new InvalidDataException(
                $"{nameOf("separator")}: a separator is text, and with {nameOf("token_bytes")} {settings.TokenBytes} " +
                "the data are numbers. Leave it out: every file is one document.");
        }

        int head = settings.Head > 0 ? settings.Head : DefaultHead;
        if (settings is { Model: ModelKind.Mamba2, From: "" } && 2L * settings.Dim % head != 0)
        {
            throw new InvalidDataException(
                $"{nameOf("dim")}: twice {settings.Dim} is no multiple of {nameOf("head")} {head}.");
        }

        if ((long)settings.Batch * settings.Length > int.MaxValue)
        {
            throw new InvalidDataException(
                $"{nameOf("batch")} {settings.Batch} times {nameOf("length")} {settings.Length}: expected at most " +
                $"{int.MaxValue} tokens in a batch.");
        }

        DeviceKinds.RequireKnown(settings.Device, nameOf("device"));
        return settings.TokenBytes > 1 ? settings with { Separator = "" } : settings;
    }
}
