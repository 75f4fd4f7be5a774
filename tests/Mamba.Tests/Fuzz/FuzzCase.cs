namespace Mamba.Tests.Fuzz;

/// <summary>A changed folder, which its reader's name, kind, seed and index make again at any time.</summary>
/// <param name="Id">What makes it again.</param>
/// <param name="Files">The files, right and changed ones.</param>
/// <param name="Change">What was changed, for messages.</param>
/// <param name="IsRepaired">Whether the checksums are to be those of the changed files.</param>
internal sealed record FuzzCase(string Id, FuzzSeed Files, string Change, bool IsRepaired)
{
    /// <summary>A few random changes.</summary>
    public static FuzzCase Random(FuzzReader reader, int seed, int index)
    {
        Random random = new(unchecked((seed * 1_000_003) + index));
        FuzzSeed files = reader.Seeds[random.Next(reader.Seeds.Count)];
        List<string> changes = [];
        for (int left = random.Next(3) == 0 ? random.Next(2, 5) : 1; left > 0; left--)
        {
            string[] changed = Array.FindAll(files.Changed, files.Files.ContainsKey);
            if (reader.Change is not null && (random.Next(3) == 0 || changed.Length == 0))
            {
                (files, string own) = reader.Change(files, random);
                changes.Add(own);
                continue;
            }

            string name = changed[random.Next(changed.Length)];
            (byte[] content, string change) = Mutation.Of(name, files.Files[name], random);
            files = files.With(name, content);
            changes.Add($"{name}: {change}");
        }

        bool isRepaired = reader.Repair is not null && random.Next(2) == 0;
        changes.AddRange(isRepaired ? ["checksums repaired"] : []);
        return new($"{reader.Name}/random/{seed}/{index}", files, string.Join("; ", changes), isRepaired);
    }

    /// <summary>
    /// Every key and item of every JSON file of the seeds, with every boundary value, without it, and with it twice. A
    /// case is made when it is called.
    /// </summary>
    public static IEnumerable<Func<FuzzCase>> Keys(FuzzReader reader)
    {
        int index = 0;
        foreach (FuzzSeed seed in reader.Seeds)
        {
            foreach (string name in seed.Changed.Where(name => name.EndsWith(".json", StringComparison.Ordinal)))
            {
                byte[] json = seed.Files[name];
                foreach (JsonPart part in JsonPart.Of(json))
                {
                    foreach (Func<(byte[] Content, string Change)> make in JsonMutation.All(json, part))
                    {
                        int number = index++;
                        yield return () =>
                        {
                            (byte[] content, string change) = make();
                            return new(
                                $"{reader.Name}/keys/0/{number}", seed.With(name, content),
                                $"{name}: {part.Name} {change}", reader.Repair is not null);
                        };
                    }
                }
            }
        }
    }

    /// <summary>The case that an id names.</summary>
    public static FuzzCase Of(FuzzReader reader, string id) => id.Split('/') switch
    {
        [_, "random", string seed, string index] => Random(reader, int.Parse(seed), int.Parse(index)),
        [_, "keys", _, string index] => Keys(reader).ElementAt(int.Parse(index))(),
        _ => throw new ArgumentException($"Expected READER/random/SEED/INDEX or READER/keys/0/INDEX; found {id}."),
    };
}
