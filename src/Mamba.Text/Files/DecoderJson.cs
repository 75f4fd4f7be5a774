using Mamba.Text.Decoding;
using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>The decoders of <c>tokenizer.json</c>.</summary>
internal static class DecoderJson
{
    /// <summary>The stages.</summary>
    public static List<Func<DecodeStep, bool, DecodeStep>> Read(JsonField node)
    {
        List<Func<DecodeStep, bool, DecodeStep>> steps = [];
        if (node.IsNull)
        {
            steps.Add((next, _) => new SpaceJoin(next));
        }
        else
        {
            bool isFused = false;
            Read(node, steps, ref isFused);
        }

        return steps;
    }

    // After Fuse or ByteLevel the text is whole. It still comes piece by piece here, so what needs more than a
    // character of it at a time is refused.
    private static void Read(JsonField node, List<Func<DecodeStep, bool, DecodeStep>> steps, ref bool isFused)
    {
        string type = node["type"].Text();
        if (isFused && type is not ("Sequence" or "Fuse" or "Strip"))
        {
            throw Unsupported.Part($"the decoder {type} after Fuse or ByteLevel");
        }

        switch (type)
        {
            case "Sequence":
                foreach (JsonField item in node["decoders"].Items())
                {
                    Read(item, steps, ref isFused);
                }

                break;
            case "ByteLevel":
                steps.Add((next, _) => new ByteLevelStep(next));
                isFused = true;
                break;
            case "ByteFallback":
                steps.Add((next, streams) => new ByteFallbackStep(next, streams));
                break;
            case "Fuse":
                isFused = true;
                break;
            case "Replace":
                Func<string, string> replacement = ReplacementJson.Read(node);
                steps.Add((next, _) => new RewriteStep(next, (text, _) => replacement(text)));
                break;
            case "Metaspace":
                char space = node["replacement"].Character('▁');
                bool drops = PreTokenizerJson.MetaspacePrefix(node) != false;
                steps.Add((next, _) => new RewriteStep(next, (text, isFirst) => isFirst && drops
                    ? text.Replace(space.ToString(), "", StringComparison.Ordinal)
                    : text.Replace(space, ' ')));
                break;
            case "Strip":
                char content = node["content"].Character(' ');
                int start = node["start"].Number(), stop = node["stop"].Number();
                steps.Add(isFused
                    ? (next, _) => new StripStep(next, content, start, stop)
                    : (next, _) => new RewriteStep(next, (text, _) => Stripped(text, content, start, stop)));
                break;
            default:
                throw Unsupported.Part($"the decoder {type}");
        }
    }

    private static string Stripped(string text, char content, int start, int stop)
    {
        int from = 0, to = text.Length;
        while (from < to && from < start && text[from] == content)
        {
            from++;
        }

        while (to > from && text.Length - to < stop && text[to - 1] == content)
        {
            to--;
        }

        return text[from..to];
    }
}
