using Mamba.Models.Training;

namespace Mamba.Cli.Train;

/// <summary>Tells how a run ended.</summary>
internal static class RunSummary
{
    /// <summary>Writes the table.</summary>
    /// <param name="screen">Where to.</param>
    /// <param name="result">How the run ended.</param>
    /// <param name="unit">Of the losses.</param>
    /// <param name="more">Rows behind those of the result.</param>
    public static void Tell(
        TrainingScreen screen,
        TrainingResult result,
        string unit,
        params ReadOnlySpan<(string Name, string Value)> more) =>
        screen.Tell(
        [
            ("ended", result.End == TrainingEnd.StoppedEarly ? "early: no more improvement" : "all steps done"),
            ("steps", Text($"{result.Step:N0}, {result.SkippedSteps:N0} skipped")),
            ("time", TimeText.Of(result.Elapsed)),
            ($"training, {unit}", Bits(result.Loss)),
            ($"held out, {unit}, best", At(result.BestEvaluation, result.BestStep)),
            ($"held out, {unit}, last", At(result.Evaluation, result.Step)),
            .. more,
        ]);

    /// <summary>A loss in bits; a dash if there is none.</summary>
    public static string Bits(double nats) => double.IsNaN(nats) ? "-" : Text($"{nats / Math.Log(2):0.0000}");

    private static string At(double? nats, long? step) =>
        nats is { } value ? Text($"{Bits(value)} at step {step:N0}") : "-";

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
