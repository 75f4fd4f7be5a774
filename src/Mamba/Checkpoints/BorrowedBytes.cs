using System.Runtime.InteropServices;

namespace Mamba.Checkpoints;

/// <summary>Part of a mapped file, which stays mapped until this is disposed.</summary>
internal readonly unsafe ref struct BorrowedBytes(byte* start, long length, SafeBuffer owner)
{
    public byte* Start { get; } = start;

    public long Length { get; } = length;

    /// <summary>All bytes, where they are known to be few.</summary>
    public ReadOnlySpan<byte> Span => new(Start, checked((int)Length));

    public void Dispose() => owner.ReleasePointer();
}
