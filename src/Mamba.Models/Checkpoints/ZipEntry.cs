namespace Mamba.Models.Checkpoints;

/// <summary>One file in a zip archive.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Header">Where its own header begins in the archive.</param>
/// <param name="Offset">Where its bytes begin in the archive.</param>
/// <param name="StoredLength">How many bytes it takes there.</param>
/// <param name="Length">How many it has.</param>
/// <param name="IsDeflated">Whether it is compressed.</param>
internal sealed record ZipEntry(string Name, long Header, long Offset, long StoredLength, long Length, bool IsDeflated);
