namespace Mamba.Kernels;

/// <summary>One step of AdamW: its hyper-parameters and its number.</summary>
/// <param name="LearningRate">η.</param>
/// <param name="Beta1">β₁, decay of the gradient's moving average.</param>
/// <param name="Beta2">β₂, decay of the squared gradient's moving average.</param>
/// <param name="Epsilon">ε, added to the root.</param>
/// <param name="WeightDecay">λ.</param>
/// <param name="Step">t, counted from 1.</param>
internal readonly record struct AdamWStep(
    double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay, int Step)
{
    /// <summary><c>η·λ</c>, the fraction that a parameter decays by.</summary>
    public double Decay => LearningRate * WeightDecay;

    /// <summary><c>η/(1 - β₁^t)</c></summary>
    public double CorrectedLearningRate => LearningRate / (1 - Math.Pow(Beta1, Step));

    /// <summary><c>1/√(1 - β₂^t)</c></summary>
    public double RootCorrection => 1 / Math.Sqrt(1 - Math.Pow(Beta2, Step));
}
