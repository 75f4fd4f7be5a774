namespace Mamba.Models.Checkpoints;

/// <summary>
/// The end-of-text tokens of config.json and of an optional generation_config.json beside it. Other keys of the latter
/// are kept and ignored.
/// </summary>
internal static class GenerationConfig
{
    public const string FileName = "generation_config.json";

    private const string EndOfText = "eos_token_id";

    /// <summary>Reads the tokens from both files.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="folder">Folder of generation_config.json.</param>
    /// <param name="vocabularySize">Number of tokens, before padding.</param>
    /// <exception cref="InvalidDataException">A value is not a token of the vocabulary.</exception>
    public static int[] ReadEndOfText(ConfigJson config, string folder, int vocabularySize)
    {
        string path = Path.Combine(folder, FileName);
        int[] beside = File.Exists(path) ? Tokens(ConfigJson.Load(path), vocabularySize) : [];
        return [.. Tokens(config, vocabularySize).Union(beside)];
    }

    /// <summary>Writes the tokens to config.json; a single token as a number, as older readers expect.</summary>
    public static void AddEndOfText(ConfigJsonWriter json, IReadOnlyList<int> tokens)
    {
        switch (tokens)
        {
            case []:
                json.Add(EndOfText, (string?)null); // an absent key means a default in Hugging Face's classes
                break;
            case [int token]:
                json.Add(EndOfText, token);
                break;
            default:
                json.Add(EndOfText, [.. tokens]);
                break;
        }
    }

    /// <summary>
    /// Makes generation_config.json consistent with the model beside it. Creates the file if only it can hold the
    /// tokens, and replaces tokens that an earlier save left there.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="isInConfig">Whether config.json holds the tokens.</param>
    public static void Save(string folder, IReadOnlyList<int> tokens, bool isInConfig)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path) && (isInConfig || tokens.Count == 0))
        {
            return;
        }

        ConfigJsonWriter json = new();
        foreach ((string key, string value) in OthersIn(path))
        {
            json.AddRaw(key, value);
        }

        if (tokens.Count > 0)
        {
            AddEndOfText(json, tokens);
        }

        json.Save(path);
    }

    private static int[] Tokens(ConfigJson json, int vocabularySize)
    {
        try
        {
            return json.OneOrMore(EndOfText, (0, vocabularySize - 1));
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException(
                $"{e.Message} The end of text is a token or a list of tokens of the vocabulary, which has " +
                $"{vocabularySize}.",
                e);
        }
    }

    /// <summary>The other keys of a file; none if it is absent or not a JSON object.</summary>
    private static IEnumerable<(string Key, string Value)> OthersIn(string path)
    {
        try
        {
            return File.Exists(path) ? ConfigJson.Load(path).RawValues.Where(item => item.Key != EndOfText) : [];
        }
        catch (InvalidDataException)
        {
            return [];
        }
    }
}
