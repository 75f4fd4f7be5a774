using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Models;

/// <summary>
/// What a model remembers of the texts that it has read: a value, of the same size however long they are, that can be
/// cloned, forked, saved and loaded.
/// </summary>
public sealed class ModelState : IDisposable
{
    private const string Magic = "MAMBASTATE";
    private const int FormatVersion = 1;

    private readonly LayerState[] _layers;

    internal ModelState(LayerState[] layers, int batch, byte[] configHash)
    {
        _layers = layers;
        Batch = batch;
        ConfigHash = configHash;
        IsOfFixedSize = !Array.Exists(layers, layer => layer.HoldsTokens);
    }

    /// <summary>Number of texts.</summary>
    public int Batch { get; }

    /// <summary>Tokens read of each text.</summary>
    public long Position { get; internal set; }

    /// <summary>The state of each layer.</summary>
    public IReadOnlyList<LayerState> Layers => _layers;

    internal byte[] ConfigHash { get; }

    /// <summary>The step over this state, where the device records.</summary>
    internal RecordedStep? Recorded { get; set; }

    /// <summary>Whether every layer's memory is of one size for any number of tokens.</summary>
    internal bool IsOfFixedSize { get; }

    /// <summary>Makes an equal state with memory of its own: a fork of the conversation.</summary>
    /// <returns>The copy; the caller disposes it.</returns>
    public ModelState Clone() =>
        new([.. Layers.Select(layer => layer.Clone())], Batch, ConfigHash) { Position = Position };

    /// <summary>Copies one text's memory into a place of this batch.</summary>
    /// <param name="slot">The text here that is overwritten.</param>
    /// <param name="other">A state of the same model.</param>
    /// <param name="otherSlot">The text there.</param>
    /// <exception cref="ArgumentException">The other state is of another model.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such text.</exception>
    public void CopySlot(int slot, ModelState other, int otherSlot)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (!other.ConfigHash.AsSpan().SequenceEqual(ConfigHash))
        {
            throw new ArgumentException("The states belong to models of different configurations.", nameof(other));
        }

        for (int i = 0; i < Layers.Count; i++)
        {
            Layers[i].CopySlot(slot, other.Layers[i], otherSlot);
        }
    }

    /// <summary>Lets gradients no longer flow to what came before, as truncated back-propagation does.</summary>
    public void Detach()
    {
        foreach (LayerState layer in _layers)
        {
            layer.Detach();
        }
    }

    /// <summary>Writes the state: format, version, configuration hash, arrays, and a checksum of them all.</summary>
    /// <param name="stream">Where to.</param>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using IncrementalHash checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Write(stream, checksum, Encoding.ASCII.GetBytes(Magic));
        WriteNumber(stream, checksum, FormatVersion);
        Write(stream, checksum, ConfigHash);
        WriteNumber(stream, checksum, Batch);
        WriteNumber(stream, checksum, Position);
        foreach (LayerState layer in Layers)
        {
            WriteNumber(stream, checksum, layer.Length);
            foreach (DeviceArray array in layer.Arrays)
            {
                Write(stream, checksum, MemoryMarshal.AsBytes<float>(array.ToArray()));
            }
        }

        stream.Write(checksum.GetHashAndReset());
    }

    /// <summary>Reads a state that was saved of a model of the same configuration. On failure this one stays as it is.</summary>
    /// <param name="stream">Where from.</param>
    /// <exception cref="InvalidDataException">
    /// The data are no state, of another version, model or batch, cut off, or damaged.
    /// </exception>
    public void Load(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using IncrementalHash checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Require("the magic word", Magic, Encoding.ASCII.GetString(Read(stream, checksum, Magic.Length)));
        Require("format version", FormatVersion, ReadNumber(stream, checksum));
        Require("configuration hash", Hex(ConfigHash), Hex(Read(stream, checksum, ConfigHash.Length)));
        Require("number of texts", Batch, ReadNumber(stream, checksum));
        long position = ReadNumber(stream, checksum);

        using ModelState loaded = new([.. Layers.Select(layer => layer.CreateEmpty(Batch))], Batch, ConfigHash);
        foreach (LayerState layer in loaded.Layers)
        {
            long length = ReadNumber(stream, checksum);
            layer.SetLength(length is >= 0 and <= int.MaxValue
                ? (int)length
                : throw new InvalidDataException($"A saved state claims {length} tokens in a layer."));
            foreach (DeviceArray array in layer.Arrays)
            {
                byte[] bytes = Read(stream, checksum, checked((int)array.Shape.Count * sizeof(float)));
                array.CopyFrom(MemoryMarshal.Cast<byte, float>(bytes));
            }
        }

        byte[] expected = checksum.GetHashAndReset();
        byte[] found = new byte[expected.Length];
        ReadFully(stream, found);
        Require("checksum", Hex(expected), Hex(found));
        for (int i = 0; i < Layers.Count; i++)
        {
            Layers[i].CopyFrom(loaded.Layers[i]);
        }

        Position = position;
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        Recorded?.Dispose();
        Recorded = null;
        foreach (LayerState layer in Layers)
        {
            layer.Dispose();
        }
    }

    /// <summary>Tells configurations apart: a hash of all their sizes and options.</summary>
    internal static byte[] HashOf(LanguageModelConfig config)
    {
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"{config.PaddedVocabularySize} {config.MlpDim} {config.NormEpsilon} {config.TieEmbeddings} ");
        return SHA256.HashData(Encoding.UTF8.GetBytes(text + string.Join(' ', config.Layers)));
    }

    private static void Require<T>(string what, T expected, T found)
    {
        if (!Equals(expected, found))
        {
            throw new InvalidDataException($"A saved state does not fit: {what} is {found}, expected {expected}.");
        }
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static void Write(Stream stream, IncrementalHash checksum, ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        checksum.AppendData(bytes);
    }

    private static void WriteNumber(Stream stream, IncrementalHash checksum, long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        Write(stream, checksum, bytes);
    }

    private static byte[] Read(Stream stream, IncrementalHash checksum, int count)
    {
        byte[] bytes = new byte[count];
        ReadFully(stream, bytes);
        checksum.AppendData(bytes);
        return bytes;
    }

    private static long ReadNumber(Stream stream, IncrementalHash checksum) =>
        BinaryPrimitives.ReadInt64LittleEndian(Read(stream, checksum, sizeof(long)));

    private static void ReadFully(Stream stream, byte[] bytes)
    {
        int read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (read < bytes.Length)
        {
            throw new InvalidDataException(
                $"A saved state is cut off: expected {bytes.Length} more bytes, found {read}.");
        }
    }
}
