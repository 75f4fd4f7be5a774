namespace Mamba.Tasks;

/// <summary>A row of the table: one model on one task.</summary>
/// <param name="Task">Name of the task.</param>
/// <param name="Setting">Its sizes, in words.</param>
/// <param name="Model">Kind of layers and number of states.</param>
/// <param name="Parameters">Number of weights.</param>
/// <param name="Steps">Steps of training.</param>
/// <param name="Seconds">Time of training.</param>
/// <param name="Accuracy">Share of answers that are right, on data that played no part in training.</param>
/// <param name="Seed">Seed of data and first weights.</param>
internal sealed record TaskRow(
    string Task, string Setting, string Model, long Parameters, long Steps, double Seconds, double Accuracy, int Seed);
