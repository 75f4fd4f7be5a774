#:project ../src/Mamba.Models/Mamba.Models.csproj
#:property PublishAot=false
using System.Text;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Models.Generation;

// A prompt is read once. Its state is saved, loaded, and continued twice.
string folder = Path.Combine((string)AppContext.GetData("EntryPointFileDirectoryPath")!, "model");
string path = Path.GetTempFileName();
using CpuDevice device = new();
using MambaLanguageModel model = MambaLanguageModel.Load(folder, device);

byte[] prompt = Encoding.ASCII.GetBytes("In the beginning God created the heaven and the earth. And the ");
using (ModelState state = model.CreateState())
{
    model.Prefill(Ids(prompt.AsSpan(..^1)), state, new float[model.Config.PaddedVocabularySize]);
    using FileStream file = File.Create(path);
    state.Save(file);
}

using ModelState first = model.CreateState();
using (FileStream file = File.OpenRead(path))
{
    first.Load(file);
}

Console.WriteLine($"The state of {first.Positions[0]} tokens takes {new FileInfo(path).Length:N0} bytes.");
using ModelState second = first.Clone(), third = first.Clone();
string one = await Continue(first, 1), two = await Continue(second, 2), again = await Continue(third, 1);
Console.WriteLine($"1: {one}\n2: {two}");
File.Delete(path);
return one == again ? 0 : 1;

async Task<string> Continue(ModelState state, ulong seed)
{
    StringBuilder text = new();
    GenerationOptions options = new() { MaxTokens = 60, Sampling = new() { Temperature = 0.8, Seed = seed } };
    await foreach (int token in model.GenerateAsync(Ids(prompt.AsSpan(^1..)), options, state))
    {
        text.Append((char)token);
    }

    return text.ToString();
}

static int[] Ids(ReadOnlySpan<byte> text) => [.. text.ToArray().Select(b => (int)b)];
