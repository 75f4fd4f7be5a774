namespace Mamba.Tasks;

/// <summary>What a training took.</summary>
/// <param name="Steps">Steps that were done.</param>
/// <param name="Seconds">Time, with that of looking how good the module is.</param>
internal readonly record struct TrainingOutcome(long Steps, double Seconds);
