using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>The post-processors of <c>tokenizer.json</c>: which tokens stand before and after a text.</summary>
internal static class TemplateJson
{
    /// <summary>The ids before and after the text.</summary>
    public static (List<int> Before, List<int> After) Read(JsonField node, Func<string?, int?> idOf)
    {
        List<int> before = [], after = [];
        if (!node.IsNull)
        {
            Read(node, before, after, idOf);
        }

        return (before, after);
    }

    private static void Read(JsonField node, List<int> before, List<int> after, Func<string?, int?> idOf)
    {
        string type = node["type"].Text();
        switch (type)
        {
            case "Sequence":
                foreach (JsonField item in node["processors"].Items())
                {
                    Read(item, before, after, idOf);
                }

                break;
            case "ByteLevel": // changes offsets alone
                break;
            case "TemplateProcessing":
                Template(node, before, after, idOf);
                break;
            default:
                throw Unsupported.Part($"the post-processor {type}");
        }
    }

    // A further template surrounds what the ones before it have made.
    private static void Template(JsonField node, List<int> before, List<int> after, Func<string?, int?> idOf)
    {
        List<int> first = [], last = [];
        bool hasText = false;
        foreach (JsonField piece in node["single"].Items())
        {
            if (!piece["Sequence"].IsNull)
            {
                hasText = !hasText
                    ? true
                    : throw Unsupported.Part("a template that repeats the text");
                continue;
            }

            string name = piece["SpecialToken"]["id"].Text();
            JsonField token = node["special_tokens"][name];
            List<int> ids = token.IsNull
                ? [idOf(name) ?? throw Unsupported.Data($"its template has \"{name}\", which is no token.")]
                : [.. token["ids"].Items().Select(id => id.Number())];
            (hasText ? last : first).AddRange(ids);
        }

        before.InsertRange(0, first);
        after.AddRange(last);
    }
}
