using System.Runtime.InteropServices;

namespace Mamba.Cli.Bench;

/// <summary>What <c>mamba bench</c> has measured; <c>--json</c> prints it as it is.</summary>
internal sealed record BenchReport
{
    /// <summary>The folder or the preset.</summary>
    public required string Model { get; init; }

    /// <summary>Whether it is a preset, of random weights.</summary>
    public required bool IsPreset { get; init; }

    /// <summary>Number of weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>How matrices were stored.</summary>
    public required string Weights { get; init; }

    /// <summary>Tokens that each conversation read.</summary>
    public required int Prompt { get; init; }

    /// <summary>Tokens that each conversation wrote.</summary>
    public required int Tokens { get; init; }

    /// <summary>Conversations at once.</summary>
    public required int Batch { get; init; }

    /// <summary>How often it was measured; rates are those of the median.</summary>
    public required int Repeat { get; init; }

    /// <summary>Time until the model was ready: read from its files, or filled with random weights.</summary>
    public required double LoadSeconds { get; init; }

    /// <summary>Tokens of prompts that were read in a second, of all conversations together.</summary>
    public required double PrefillTokensPerSecond { get; init; }

    /// <summary>Tokens that were written in a second, of all conversations together.</summary>
    public required double DecodeTokensPerSecond { get; init; }

    /// <summary>Tokens that were written in a second for one of the conversations.</summary>
    public double DecodeTokensPerSecondPerConversation => DecodeTokensPerSecond / Batch;

    /// <summary>Time of a decoded token, one for every conversation, over all repeats.</summary>
    public required Latencies LatencyMs { get; init; }

    /// <summary>Memory of the device's arrays: weights, states and what is computed on the way.</summary>
    public required long DeviceBytes { get; init; }

    /// <summary>The most memory that the process has occupied; null where the system does not tell.</summary>
    public required long? PeakWorkingSetBytes { get; init; }

    /// <summary>What computed.</summary>
    public required string Device { get; init; }

    /// <summary>The version of .NET.</summary>
    public string Framework { get; } = RuntimeInformation.FrameworkDescription;

    /// <summary>The operating system and its processor's architecture.</summary>
    public string System { get; } = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}";
}
