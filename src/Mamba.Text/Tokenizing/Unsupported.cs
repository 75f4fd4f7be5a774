namespace Mamba.Text.Tokenizing;

/// <summary>Refusals.</summary>
internal static class Unsupported
{
    /// <summary>Something that exists and that this library does not have.</summary>
    public static NotSupportedException Part(string what) => new($"The tokenizer has {what}, which is not supported.");

    /// <summary>Something that is wrong.</summary>
    public static InvalidDataException Data(string what, Exception? inner = null) =>
        new($"Invalid tokenizer: {what}", inner);
}
