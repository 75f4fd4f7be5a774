using System.Buffers.Binary;
using System.Security.Cryptography;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Fuzz;

/// <summary>The reader of saved model states, of models of every kind. The name of a file tells the model.</summary>
internal static class StateReader
{
    private const string Extension = ".state";
    private const int VersionAt = 10, KindLengthAt = 18, KindAt = 26, Vocabulary = 5;

    private static readonly Dictionary<string, (int Texts, MixerOptions[] Layers)> _models = new()
    {
        ["mamba1"] = (1, [new MambaMixerOptions { ModelDim = 4, StateDim = 2 }]),
        ["mamba2"] = (2, [new Mamba2MixerOptions { ModelDim = 4, StateDim = 2, HeadDim = 4, Groups = 2 }]),
        ["s4d"] = (1, [new S4dMixerOptions { ModelDim = 4, StateDim = 4 }]),
        ["initial"] = (2, [new MambaMixerOptions { ModelDim = 4, StateDim = 2, LearnableInitialState = true }]),
        ["hybrid"] = (2,
        [
            new Mamba2MixerOptions { ModelDim = 4, StateDim = 2, HeadDim = 4 },
            new AttentionMixerOptions { ModelDim = 4, Heads = 2, RotaryDim = 2, ConvWidth = 3 },
            new AttentionMixerOptions { ModelDim = 4, Heads = 2, KeyValueHeads = 1 },
        ]),
        ["no texts"] = (0, [new AttentionMixerOptions { ModelDim = 4, Heads = 1 }]),
    };

    /// <summary>Where the 64-bit numbers of each seed are.</summary>
    private static readonly Dictionary<string, int[]> _numbers = [];

    public static FuzzReader Reader { get; } = new()
    {
        Name = "state",
        Seeds = [.. _models.Keys.Select(name => Seed(name)), Seed("hybrid", tokensOfLast: 5)],
        Open = Open,
        Use = Use,
        Change = Number,
        Repair = Repair,
        Refusals = [typeof(InvalidDataException)],
    };

    private static FuzzSeed Seed(string name, int? tokensOfLast = null)
    {
        using CpuDevice device = new(1);
        using OpenedState opened = new(device, name);
        opened.State.Layers[^1].SetLength(tokensOfLast ?? opened.State.Layers[^1].Length);
        byte[] saved = opened.Save();
        int at = KindAt + (int)BinaryPrimitives.ReadInt64LittleEndian(saved.AsSpan(KindLengthAt));
        List<int> numbers = [VersionAt, KindLengthAt, at];
        for (int i = 0; i < opened.State.Batch; i++)
        {
            numbers.Add(at += sizeof(long));
        }

        foreach (LayerState layer in opened.State.Layers)
        {
            numbers.Add(at += sizeof(long));
            at += (int)layer.Arrays.Sum(array => array.Shape.Count) * sizeof(float);
        }

        string file = (tokensOfLast is null ? "" : "uneven ") + name + Extension;
        _numbers[file] = [.. numbers];
        return new(new Dictionary<string, byte[]> { [file] = saved }, file);
    }

    /// <summary>A boundary number in place of a right one.</summary>
    private static (FuzzSeed Files, string Change) Number(FuzzSeed seed, Random random)
    {
        (string file, byte[] content) = seed.Files.Single();
        int[] numbers = Array.FindAll(_numbers[file], at => at < content.Length);
        if (numbers.Length == 0)
        {
            return (seed, "nothing");
        }

        (byte[] changed, string change) = ByteMutation.Number(
            content, numbers[random.Next(numbers.Length)], sizeof(long), random);
        return (seed.With(file, changed), change);
    }

    private static FuzzSeed Repair(FuzzSeed seed)
    {
        (string file, byte[] content) = seed.Files.Single();
        byte[] body = content[..^Math.Min(content.Length, SHA256.HashSizeInBytes)];
        return seed.With(file, [.. body, .. SHA256.HashData(body)]);
    }

    /// <summary>
    /// Loads a state from a stream that can seek and from one that cannot; a refusal must change nothing.
    /// </summary>
    private static OpenedState Open(string folder, Device device)
    {
        string file = Directory.GetFiles(folder).Single();
        OpenedState opened = new(device, Path.GetFileNameWithoutExtension(file).Replace("uneven ", ""));
        try
        {
            byte[] bytes = File.ReadAllBytes(file), before = opened.Save();
            using ModelState other = opened.State.Clone();
            Exception? refusal = RefusalOf(other, new Unseekable(bytes));
            Exception? same = RefusalOf(opened.State, new MemoryStream(bytes));
            if (refusal?.GetType() != same?.GetType())
            {
                throw new InvalidOperationException(
                    $"A stream that cannot seek ended with {refusal}; the other with {same}.");
            }

            if (same is not null && !opened.Save().SequenceEqual(before))
            {
                throw new InvalidOperationException("A refusal has changed the state.", same);
            }

            return same is null ? opened : throw same;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Reads on, and saves what can be loaded.</summary>
    private static void Use(IDisposable opened, Device device)
    {
        OpenedState state = (OpenedState)opened;
        if (state.State.Batch > 0)
        {
            state.ReadOn();
        }

        byte[] saved = state.Save();
        using ModelState again = state.State.CreateEmpty(state.State.Batch);
        again.Load(new MemoryStream(saved));
        again.Positions.Should().Equal(state.State.Positions);
    }

    private static Exception? RefusalOf(ModelState state, Stream stream)
    {
        try
        {
            state.Load(stream);
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    /// <summary>A model and a state that has read two tokens of each text.</summary>
    private sealed class OpenedState : IDisposable
    {
        private readonly MambaLanguageModel _model;

        public OpenedState(Device device, string name)
        {
            (int texts, MixerOptions[] layers) = _models[name];
            _model = new(device, new() { VocabularySize = Vocabulary, Layers = layers }, new Random(1));
            State = _model.CreateState(texts);
            if (texts > 0)
            {
                Read(2);
            }
        }

        public ModelState State { get; }

        public byte[] Save()
        {
            using MemoryStream stream = new();
            State.Save(stream);
            return stream.ToArray();
        }

        public void ReadOn()
        {
            Read(3);
            _model.Step(new int[State.Batch], State, new float[State.Batch * Vocabulary]);
        }

        public void Dispose()
        {
            State.Dispose();
            _model.Dispose();
        }

        private void Read(int tokens) =>
            _model.Prefill(new int[State.Batch * tokens], State, new float[State.Batch * Vocabulary]);
    }

    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
