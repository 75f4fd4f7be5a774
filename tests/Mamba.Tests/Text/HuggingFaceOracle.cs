using System.Text.Json.Nodes;

namespace Mamba.Tests.Text;

/// <summary>The Hugging Face tokenizers themselves, in their native library.</summary>
internal sealed class HuggingFaceOracle : IDisposable
{
    private readonly string? _file;
    private readonly Tokenizers.DotNet.Tokenizer _tokenizer;

    private HuggingFaceOracle(string path, string? file)
    {
        _file = file;
        _tokenizer = new(path);
    }

    /// <summary>Loads a <c>tokenizer.json</c>; skips the test where the native library is missing.</summary>
    public static HuggingFaceOracle Load(string path) => Load(path, null);

    /// <summary>Loads a tokenizer that a test made.</summary>
    public static HuggingFaceOracle Of(JsonObject tokenizer)
    {
        string file = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.json");
        File.WriteAllText(file, tokenizer.ToJsonString());
        return Load(file, file);
    }

    /// <summary>The ids, with special tokens recognized and added.</summary>
    public int[] Encode(string text) => Array.ConvertAll(_tokenizer.Encode(text), id => checked((int)id));

    /// <summary>The text, without special tokens.</summary>
    public string Decode(int[] ids) => _tokenizer.Decode(Array.ConvertAll(ids, id => (uint)id));

    public void Dispose()
    {
        _tokenizer.Dispose();
        if (_file is not null)
        {
            File.Delete(_file);
        }
    }

    private static HuggingFaceOracle Load(string path, string? file)
    {
        try
        {
            return new(path, file);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException
            or TypeInitializationException or EntryPointNotFoundException)
        {
            Assert.Skip($"The native library of the Hugging Face tokenizers does not load: {exception.Message}");
            throw;
        }
    }
}
