using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>A storage format for rows of weights: conversion to and from float32.</summary>
internal unsafe interface IWeightFormat
{
    /// <summary>Weights of a block, of which rows are multiples; 0 if the format has no scales.</summary>
    static abstract int Block { get; }

    /// <summary>Floats that the scales of a row take once they are read.</summary>
    static abstract int ScalesLength(int width);

    /// <summary>
    /// Reads the scales of some weights of a row to the places where <see cref="Load{TLanes}"/> looks for them. It may
    /// write up to a register beyond <see cref="ScalesLength"/>.
    /// </summary>
    /// <param name="row">The row.</param>
    /// <param name="width">Number of weights in the row.</param>
    /// <param name="first">The first of the weights; it begins a block, or 32 weights in it.</param>
    /// <param name="count">Their number.</param>
    /// <param name="scales">The scales of the row.</param>
    static abstract void ReadScales(byte* row, int width, int first, int count, float* scales);

    /// <summary>Bytes of a row of <paramref name="width"/> weights.</summary>
    static abstract nint RowBytes(int width);

    /// <summary>
    /// Loads a register of weights from <paramref name="k"/> on, a multiple of the register's length.
    /// </summary>
    /// <param name="row">The row.</param>
    /// <param name="k">The first weight.</param>
    /// <param name="scales">The scales of the row; null if the format has none.</param>
    static abstract TLanes Load<TLanes>(byte* row, nint k, float* scales)
        where TLanes : struct, INarrowLanes<TLanes>;

    /// <summary>
    /// Loads two consecutive registers of weights. <paramref name="k"/> is a multiple of two registers.
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
