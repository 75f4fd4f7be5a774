using System.Text.Json;
using System.Text.Json.Serialization;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Training;

/// <summary>What a run must remember beside its arrays.</summary>
internal sealed record RunRecord
{
    public const string FileName = "training.json";
    private const int Format = 1;

    /// <summary>Version of this file's format.</summary>
    public int FormatVersion { get; init; } = Format;

    /// <summary>Steps done; the number of the next batch follows from it, and from that all randomness.</summary>
    public long Step { get; set; }

    /// <summary>Updates of the optimiser: the steps but for those that were skipped.</summary>
    public int OptimizerSteps { get; set; }

    /// <summary>Steps that were skipped.</summary>
    public long SkippedSteps { get; set; }

    /// <summary>The last steps in a row that were skipped.</summary>
    public int SkippedInARow { get; set; }

    /// <summary>The best evaluation so far.</summary>
    public double? BestEvaluation { get; set; }

    /// <summary>Evaluations since the best.</summary>
    public int EvaluationsSinceBest { get; set; }

    /// <summary>Time that the run has taken.</summary>
    public double ElapsedSeconds { get; set; }

    /// <summary>Everything that decides the result, a setting a line.</summary>
    public string[] Configuration { get; set; } = [];

    /// <summary>SHA-256 of <see cref="Configuration"/>.</summary>
    public string ConfigurationHash { get; set; } = "";

    /// <summary>Tokens that each carried state holds one by one.</summary>
    public int[] StateLengths { get; set; } = [];

    public void Save(string folder)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(this, RunRecordJson.Default.RunRecord);
        AtomicFile.Write(Path.Combine(folder, FileName), json.Length, stream => stream.Write(json));
    }

    /// <exception cref="InvalidDataException">The file is no such record.</exception>
    public static RunRecord Load(string folder)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            RunRecord? record = JsonSerializer.Deserialize(File.ReadAllBytes(path), RunRecordJson.Default.RunRecord);
            return record is { FormatVersion: Format }
                ? record
                : throw new InvalidDataException($"{path}: expected format {Format}; found {record?.FormatVersion}.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path}: {exception.Message}", exception);
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(RunRecord))]
internal sealed partial class RunRecordJson : JsonSerializerContext;
