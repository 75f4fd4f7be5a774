using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>A storage format for rows of weights: conversion to and from float32.</summary>
internal unsafe interface IWeightFormat
{
    /// <summary>Weights of a row that share a scale; 0 if the format has no scales.</summary>
    static abstract int Block { get; }

    /// <summary>Bytes of a row of <paramref name="width"/> weights.</summary>
    static abstract nint RowBytes(int width);

    /// <summary>Loads a register of weights from <paramref name="k"/> on, all in one block.</summary>
    /// <param name="row">The row.</param>
    /// <param name="k">The first weight.</param>
    /// <param name="scales">The scales of the row; null if the format has none.</param>
    static abstract TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes>;

    /// <summary>
    /// Loads two consecutive registers of weights, all in one block. <paramref name="k"/> is a multiple of two
    /// registers.
    /// </summary>
    static abstract void LoadTwo<TLanes>(byte* row, nint k, float* scales, out TLanes first, out TLanes second)
        where TLanes : struct, INarrowLanes<TLanes>;

    /// <summary>Rounds weights to the nearest values of the format, and stores them.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="width">Number of weights; whole blocks.</param>
    /// <param name="row">The row.</param>
    /// <exception cref="ArithmeticException">A weight is too large for the format, or is not finite.</exception>
    static abstract void Narrow(float* source, int width, byte* row);
}
