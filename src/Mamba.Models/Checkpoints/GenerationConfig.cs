namespace Mamba.Models.Checkpoints;

/// <summary>
/// The tokens that end a text, in config.json and in the generation_config.json that may stand beside it. Other keys of
/// the latter have no meaning here, and stay.
/// </summary>
internal static class GenerationConfig
{
    public const string FileName = "generation_config.json";

    private const string EndOfText = "eos_token_id";

    /// <summary>Reads the tokens of both files.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="folder">Where generation_config.json may be.</param>
    /// <param name="vocabularySize">Number of tokens, before padding.</param>
    /// <exception cref="InvalidDataException">A value is none, or a token is not in the vocabulary.</exception>
    public static int[] ReadEndOfText(ConfigJson config, string folder, int vocabularySize)
    {
        string path = Path.Combine(folder, FileName);
        int[] beside = File.Exists(path) ? Tokens(ConfigJson.Load(path), vocabularySize) : [];
        return [.. Tokens(config, vocabularySize).Union(beside)];
    }

    /// <summary>Writes the tokens to config.json: a number if it is one, as older readers expect.</summary>
    public static void AddEndOfText(ConfigJsonWriter json, IReadOnlyList<int> tokens)
    {
        switch (tokens)
        {
            case []:
                json.Add(EndOfText, (string?)null); // without the key, Hugging Face's classes have a default
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
    /// Makes generation_config.json agree with a model that is saved beside it: makes it where only it can name the end
    /// of text, and replaces what an earlier save has left there.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="isInConfig">Whether config.json has the tokens.</param>
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

    /// <summary>The other keys of a file; none if it is absent or is no JSON object.</summary>
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
