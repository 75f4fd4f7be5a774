using System.Runtime.InteropServices;

namespace Mamba.Models.Checkpoints;

/// <summary>Bytes outside the managed heap: part of a mapped file or, without an owner, memory of their own.</summary>
internal readonly unsafe ref struct BorrowedBytes(byte* start, long length, SafeBuffer? owner)
{
    public byte* Start { get; } = start;

    public long Length { get; } = length;

    /// <summary>All bytes, where they are known to be few.</summary>
    public ReadOnlySpan<byte> Span => new(Start, checked((int)Length));

    public void Dispose()
    {
        if (owner is not null)
        {
            owner.ReleasePointer();
        }
        else
        {
            NativeMemory.Free(Start);
        }
    }
}
