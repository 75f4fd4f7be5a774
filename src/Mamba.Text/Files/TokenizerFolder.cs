using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>The files of a tokenizer in a folder.</summary>
internal static class TokenizerFolder
{
    // A tokenizer.json has some ten megabytes; the other files have much less.
    private const long LongestFile = 1L << 28;

    private static readonly string[] _names = ["tokenizer.json", "tokenizer.model", "tokenizer.model.v3"];

    /// <summary>Reads the tokenizer of a folder, or of one of these files.</summary>
    public static TextTokenizer Load(string path)
    {
        string? file = File.Exists(path)
            ? path
            : _names.Select(name => Path.Combine(path, name)).FirstOrDefault(File.Exists);
        if (file is null)
        {
            throw new FileNotFoundException(
                $"\"{path}\" is no file, and no folder with one of {string.Join(", ", _names)}.", path);
        }

        string folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        byte[]? Beside(string name)
        {
            string beside = Path.Combine(folder, name);
            return File.Exists(beside) ? Bytes(beside) : null;
        }

        byte[]? template = Beside("chat_template.jinja");
        TokenizerConfig config = TokenizerConfig.Read(
            Beside("tokenizer_config.json"),
            Beside("special_tokens_map.json"),
            template is null ? null : System.Text.Encoding.UTF8.GetString(template));
        byte[] content = Bytes(file);
        return Path.GetExtension(file) == ".json"
            ? TokenizerJson.Read(content, config)
            : SentencePieceFile.Read(content, config);
    }

    private static byte[] Bytes(string file)
    {
        long length = new FileInfo(file).Length;
        return length <= LongestFile
            ? File.ReadAllBytes(file)
            : throw Unsupported.Data($"\"{file}\" has {length:N0} bytes; at most {LongestFile:N0} are read.");
    }
}
