using System.IO.MemoryMappedFiles;

namespace Mamba.Checkpoints;

/// <summary>A file that is read by mapping it into memory: pages are loaded when they are touched.</summary>
/// <remarks>As with every mapping, the file must not be cut short by another program while it is open.</remarks>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;

    private MappedFile(string path, FileStream stream)
    {
        Path = path;
        Length = stream.Length;
        _file = MemoryMappedFile.CreateFromFile(
            stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _file.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
    }

    public string Path { get; }

    public long Length { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="InvalidDataException">The file is empty.</exception>
    public static MappedFile Open(string path)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("The files are little-endian; this machine is not.");
        }

        FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        try
        {
            return stream.Length > 0
                ? new(path, stream)
                : throw new InvalidDataException($"{path}: expected content; found an empty file.");
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Borrows some bytes; they stay mapped until they are disposed of, even if the file is closed.</summary>
    /// <exception cref="ObjectDisposedException">The file has been closed.</exception>
    public BorrowedBytes Borrow(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        return new(start + _view.PointerOffset + offset, length, _view.SafeMemoryMappedViewHandle);
    }

    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
    }
}
