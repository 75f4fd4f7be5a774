using System.Runtime.InteropServices;

namespace Mamba.Gpu.Cuda;

/// <summary>Rows of an array, as <c>Rows</c> of <c>Rows.cuh</c>; <c>default</c> if it is absent.</summary>
/// <param name="Address">Device address of the first element.</param>
/// <param name="Pitch">Elements from one row to the next.</param>
/// <param name="IsNarrow">1 if the elements are bfloat16, 0 if they are float32.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct CudaRows(nint Address, int Pitch, int IsNarrow);

/// <summary>The sequences of a batch, as <c>Sequences</c> of <c>Rows.cuh</c>.</summary>
/// <param name="Offsets">Address of the start of each sequence and the end of the last; 0 for equal lengths.</param>
/// <param name="Slots">Address of the state row of each sequence; 0 if sequence i has row i.</param>
/// <param name="Length">Length of every sequence, if they are equal.</param>
/// <param name="Count">Number of sequences.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct CudaSequences(nint Offsets, nint Slots, int Length, int Count);
