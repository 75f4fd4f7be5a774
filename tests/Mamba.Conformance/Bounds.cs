namespace Mamba.Conformance;

/// <summary>
/// How far float32 may be from the float64 truth, relative to the largest value of a tensor: three to twenty times what
/// the reference's own float32 run is off (README of the reference data).
/// </summary>
internal static class Bounds
{
    /// <summary>
    /// From this length on, gradients of a scan are sums of so many terms that they have a wider bound.
    /// </summary>
    private const int Long = 2048;

    public const double Scan = 2e-6;
    public const double StateUpdate = 3e-6;
    public const double Convolution = 1e-6;
    public const double Ssd = 2e-6;
    public const double Norm = 1e-6;
    public const double NormGradient = 2e-6;
    public const double Block = 3e-6;
    public const double Mamba1BlockGradient = 1e-5;
    public const double Mamba2BlockGradient = 2e-5;
    public const double Model = 5e-6;
    public const double Gguf = 1e-5;
    public const double ModelGradient = 2e-5;
    public const double TrainingLoss = 2e-6;
    public const double TrainingFinalLoss = 2e-5;
    public const double TrainingWeights = 2e-4;
    public const double Discretization = 1e-13;

    /// <summary>Gradients of the scan and of SSD.</summary>
    public static double ScanGradient(int length) => length >= Long ? 2e-5 : 5e-6;
}
