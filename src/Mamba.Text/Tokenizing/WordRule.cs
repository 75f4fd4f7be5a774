namespace Mamba.Text.Tokenizing;

/// <summary>How llama.cpp's names of pre-tokenizers cut text into words, and what else they stand for.</summary>
/// <param name="Patterns">Regular expressions; each cuts the words of the one before it.</param>
/// <param name="IgnoresMerges">Whether a word that is a token is not merged.</param>
/// <param name="AddsBeginToken">Whether BOS is added if the file does not say.</param>
internal sealed record WordRule(string[] Patterns, bool IgnoresMerges = false, bool AddsBeginToken = false)
{
    private const string Rest = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string SlashRest = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string Letters = $@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+";
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string First = @"[^\r\n\p{L}\p{N}]?";

    /// <summary>The rule of a name.</summary>
    /// <exception cref="NotSupportedException">The name is not known.</exception>
    public static WordRule Of(string name) => name switch
    {
        "default" => new([@"[\p{P}\$\+<=>\^~\|]+", ByteLevelStage.Words, @"\p{N}+", "[0-9][0-9][0-9]"]),
        "gpt-2" or "phi-2" or "mpt" or "olmo" or "jais" or "trillion" or "granite-docling" or "jina-es" or "jina-de"
            or "jina-v2-es" or "jina-v2-de" or "jina-v2-code" => new([ByteLevelStage.Words]),
        "smollm" or "starcoder" or "refact" or "command-r" or "codeshell" or "exaone" or "minerva-7b" =>
            new([@"\p{N}", ByteLevelStage.Words]),
        "falcon" => new([@"[\p{P}\$\+<=>\^~\|`]+", ByteLevelStage.Words, "[0-9][0-9][0-9]"]),
        "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "midm-2.0" or "lfm2" =>
            new([$@"{Letters}|\p{{N}}{{1,3}}{Rest}"], IgnoresMerges: true, AddsBeginToken: true),
        "dbrx" or "smaug-bpe" => new([$@"{Letters}|\p{{N}}{{1,3}}{Rest}"]),
        "qwen2" or "deepseek-r1-qwen" or "kormo" or "stablelm2" or "hunyuan" or "megrez" =>
            new([$@"{Letters}|\p{{N}}{Rest}"]),
        "tekken" => new(
            [$@"{First}{Upper}*{Lower}+|{First}{Upper}+{Lower}*|\p{{N}}{SlashRest}"],
            IgnoresMerges: true,
            AddsBeginToken: true),
        "gpt-4o" or "llama4" => new(
        [
            $@"{First}{Upper}*{Lower}+{Contractions}?|{First}{Upper}+{Lower}*{Contractions}?|" +
            $@"\p{{N}}{{1,3}}{SlashRest}",
        ]),
        _ => throw Unsupported.Part($"words cut by the rule \"{name}\""),
    };
}
