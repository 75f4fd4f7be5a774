namespace Mamba.Autograd;

/// <summary>
/// Functions over arrays, for composing models. Each records its backward pass on the device's tape, if there is one.
/// </summary>
public static partial class Functions;
