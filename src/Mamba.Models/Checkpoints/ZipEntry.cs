namespace Mamba.Models.Checkpoints;

/// <summary>One file in a zip archive.</summary>
/// <param name="Name">Name of the file.</param>
/// <param name="Header">Position of its local header in the archive.</param>
/// <param name="Offset">Position of its bytes in the archive.</param>
/// <param name="StoredLength">Length in the archive.</param>
/// <param name="Length">Uncompressed length.</param>
/// <param name="IsDeflated">Whether it is compressed.</param>
internal sealed record ZipEntry(string Name, long Header, long Offset, long StoredLength, long Length, bool IsDeflated);
