namespace Mamba.Tests.Text;

/// <summary>Tokenizers that lie beside the checkout: <c>shared/tokenizers</c>.</summary>
internal static class Published
{
    /// <summary>The <c>tokenizer.json</c> of a name; skips the test where it is missing.</summary>
    public static string Path(string name)
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string path = System.IO.Path.Combine(folder.FullName, "shared", "tokenizers", name, "tokenizer.json");
            if (File.Exists(path))
            {
                return path;
            }
        }

        Assert.Skip($"There is no shared/tokenizers/{name} in or beside a folder around the tests.");
        throw new FileNotFoundException(name);
    }
}
