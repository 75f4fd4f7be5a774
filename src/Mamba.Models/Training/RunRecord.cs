using System.Text.Json;
using System.Text.Json.Serialization;
using Mamba.Checkpoints;
using Mamba.Optimization;

namespace Mamba.Models.Training;

/// <summary>The data of a run's checkpoint besides its arrays.</summary>
internal sealed record RunRecord
{
    public const string FileName = "training.json";
    private const int Format = 2;
    private const long MostSteps = 1L << 48; // so that the number of a batch fits in 64 bits
    private const double LongestRun = 1e10; // seconds, three centuries

    /// <summary>Version of the file's format, and of the lines of <see cref="Configuration"/>.</summary>
    public int FormatVersion { get; init; } = Format;

    /// <summary>Steps done. It gives the number of the next batch, and with it all randomness.</summary>
    public long Step { get; set; }

    /// <summary>Updates of the optimiser: steps that were not skipped.</summary>
    public int OptimizerSteps { get; set; }

    /// <summary>Steps that were skipped.</summary>
    public long SkippedSteps { get; set; }

    /// <summary>Consecutive skipped steps up to the last step.</summary>
    public int SkippedInARow { get; set; }

    /// <summary>Whether the evaluation after the last step was cancelled and must be repeated.</summary>
    public bool EvaluationIsDue { get; set; }

    /// <summary>The best evaluation so far.</summary>
    public double? BestEvaluation { get; set; }

    /// <summary>The step of the best evaluation.</summary>
    public long? BestStep { get; set; }

    /// <summary>Evaluations since the best.</summary>
    public int EvaluationsSinceBest { get; set; }

    /// <summary>Time that the run has taken.</summary>
    public double ElapsedSeconds { get; set; }

    /// <summary>Every setting that affects the result, one per line: <c>name: value</c>.</summary>
    public string[] Configuration { get; set; } = [];

    /// <summary>Tokens that each carried state stores separately, as a cache does.</summary>
    public int[] StateLengths { get; set; } = [];

    public void Save(string folder)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(this, RunRecordJson.Default.RunRecord);
        AtomicFile.Write(Path.Combine(folder, FileName), json.Length, stream => stream.Write(json));
    }

    /// <exception cref="InvalidDataException">The file is not such a record, or contradicts itself.</exception>
    /// <exception cref="NotSupportedException">The record was written by another version.</exception>
    public static RunRecord Load(string folder)
    {
        string path = Path.Combine(folder, FileName);
        RunRecord? record;
        try
        {
            record = JsonSerializer.Deserialize(File.ReadAllBytes(path), RunRecordJson.Default.RunRecord);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            // The last two exceptions mean text that is not Unicode.
            string place = exception is JsonException json
                ? $" Look at {json.Path ?? "the text"}, line {json.LineNumber + 1}." : "";
            throw new InvalidDataException($"{path}: this is no record of a run.{place}", exception);
        }

        if (record is not null && record.FormatVersion is > 0 and not Format)
        {
            throw new NotSupportedException(
                $"{path}: the run was saved in format {record.FormatVersion}; this version reads format {Format}. " +
                $"Begin a new run in another folder from the weights in {folder}, or go on with the version that " +
                "saved it.");
        }

        return record?.Fault() is { } fault ? throw new InvalidDataException($"{path}: {fault}")
            : record ?? throw new InvalidDataException($"{path}: expected an object; found null.");
    }

    /// <summary>Describes the first value that is impossible in a run; null if there is none.</summary>
    private string? Fault() =>
        FormatVersion != Format ? Expected("format_version", $"{Format}", FormatVersion)
        : Step is < 0 or > MostSteps ? Expected("step", $"0 to {MostSteps}", Step)
        : OptimizerSteps is < 0 or > Optimizer.MostSteps
            ? Expected("optimizer_steps", $"0 to {Optimizer.MostSteps}", OptimizerSteps)
        : SkippedSteps < 0 || SkippedSteps > Step ? Expected("skipped_steps", $"0 to {Step}", SkippedSteps)
        : SkippedInARow < 0 || SkippedInARow > SkippedSteps
            ? Expected("skipped_in_a_row", $"0 to {SkippedSteps}", SkippedInARow)
        : BestStep is null != BestEvaluation is null
            ? "expected best_step and best_evaluation, or neither; found one of them."
        : BestStep < 0 || BestStep > Step ? Expected("best_step", $"0 to {Step}", BestStep)
        : BestEvaluation is { } best && !double.IsFinite(best) ? Expected("best_evaluation", "a finite number", best)
        : EvaluationsSinceBest < 0 ? Expected("evaluations_since_best", "at least 0", EvaluationsSinceBest)
        : ElapsedSeconds is not (>= 0 and <= LongestRun)
            ? Expected("elapsed_seconds", $"0 to {LongestRun}", ElapsedSeconds)
        : Configuration is null || Configuration.Contains(null) ? Expected("configuration", "an array of lines", "null")
        : StateLengths is null ? Expected("state_lengths", "an array of numbers", "null")
        : null;

    private static string Expected(string name, string expected, object? found) =>
        FormattableString.Invariant($"\"{name}\": expected {expected}; found {found}.");
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(RunRecord))]
internal sealed partial class RunRecordJson : JsonSerializerContext;
