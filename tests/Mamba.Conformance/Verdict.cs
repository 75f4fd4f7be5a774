namespace Mamba.Conformance;

/// <summary>How a case ended.</summary>
internal enum Verdict
{
    /// <summary>Every tensor is within its bound.</summary>
    Pass,

    /// <summary>Some tensor needed the tolerance of the device.</summary>
    Wide,

    /// <summary>Some tensor is too far off, or nothing could be compared.</summary>
    Fail,
}
