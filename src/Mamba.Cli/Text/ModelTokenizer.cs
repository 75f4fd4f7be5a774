using Mamba.Text;

namespace Mamba.Cli.Text;

/// <summary>The tokenizer of a model on the command line.</summary>
internal static class ModelTokenizer
{
    private const int Bytes = 256;

    /// <summary>Loads it.</summary>
    /// <param name="path">The model's folder or GGUF file, or what <c>--tokenizer</c> names.</param>
    /// <param name="vocabulary">The model's number of tokens; a model of bytes needs no file. Null: unknown.</param>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static TextTokenizer Load(string path, int? vocabulary = null)
    {
        try
        {
            return TextTokenizer.Load(path);
        }
        catch (FileNotFoundException) when (vocabulary == Bytes)
        {
            return new ByteTokenizer(); // such as mamba train makes
        }
        catch (FileNotFoundException exception)
        {
            throw new InvalidDataException(
                $"{path}: expected a tokenizer, in tokenizer.json, tokenizer.model or a GGUF file; found none. Name " +
                "one with --tokenizer, or put it beside the model.",
                exception);
        }
    }
}
