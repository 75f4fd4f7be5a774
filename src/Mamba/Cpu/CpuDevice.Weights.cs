using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Cpu;

/// <content>Weights in narrow formats: conversion, and dispatch to the kernels of a format.</content>
public sealed unsafe partial class CpuDevice
{
    /// <summary>A computation on a matrix of weights, generic over the format.</summary>
    private interface IWeightUse
    {
        void Use<TFormat>(CpuDevice device, WeightRows weights)
            where TFormat : struct, IWeightFormat;
    }

    /// <summary>Runs a computation on a matrix of weights in the format of the array.</summary>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    private void UseWeights<TUse>(DeviceArray weights, TUse use)
        where TUse : struct, IWeightUse
    {
        switch (weights.Precision)
        {
            case Precision.Float32:
                use.Use<Float32Weights>(this, WeightsOf<Float32Weights>(weights));
                break;
            case Precision.BFloat16:
                use.Use<BFloat16Weights>(this, WeightsOf<BFloat16Weights>(weights));
                break;
            case Precision.Float16:
                use.Use<Float16Weights>(this, WeightsOf<Float16Weights>(weights));
                break;
            case Precision.Int8:
                use.Use<Int8Weights>(this, WeightsOf<Int8Weights>(weights));
                break;
            case Precision.Int4:
                use.Use<Int4Weights>(this, WeightsOf<Int4Weights>(weights));
                break;
            case Precision.Q4K:
                use.Use<Q4KWeights>(this, WeightsOf<Q4KWeights>(weights));
                break;
            case Precision.Q5K:
                use.Use<Q5KWeights>(this, WeightsOf<Q5KWeights>(weights));
                break;
            case Precision.Q6K:
                use.Use<Q6KWeights>(this, WeightsOf<Q6KWeights>(weights));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(weights), weights.Precision, "No precision of weights.");
        }
    }

    private WeightRows WeightsOf<TFormat>(DeviceArray weights)
        where TFormat : struct, IWeightFormat
    {
        int width = weights.Shape.Width;

        // In formats with blocks, views have whole rows, with scales at the end of each; others may be slices.
        (nint rowBytes, nint start) = TFormat.Block > 0
            ? (TFormat.RowBytes(width), width == 0 ? 0 : weights.Offset / width * TFormat.RowBytes(width))
            : (TFormat.RowBytes(1) * weights.Pitch, TFormat.RowBytes(1) * weights.Offset);
        return new((byte*)StorageOf(weights).Pointer + start, width, rowBytes, &WeightRow.Widen<TFormat>);
    }

    internal override bool CopiesRows => true;

    internal override void WriteRows(ReadOnlySpan<byte> source, DeviceArray target, nint row) =>
        source.CopyTo(new(RowAt(target, row), source.Length));

    internal override void ReadRows(DeviceArray source, nint row, Span<byte> target) =>
        new ReadOnlySpan<byte>(RowAt(source, row), target.Length).CopyTo(target);

    private byte* RowAt(DeviceArray array, nint row) =>
        (byte*)StorageOf(array).Pointer + (row * array.Precision.Bytes(array.Shape.Width));

    /// <summary>Rounds float32 rows to the format of <paramref name="target"/>.</summary>
    /// <exception cref="ArithmeticException">A number does not fit the precision.</exception>
    private void Narrow(Rows source, DeviceArray target) =>
        UseWeights(target, new NarrowUse(source, target.Shape.Rows));

    /// <summary>Converts rows of any format to float32.</summary>
    private void Widen(DeviceArray source, Rows target) =>
        UseWeights(source, new WidenUse(target, source.Shape.Rows));

    private readonly struct NarrowUse(Rows source, nint rows) : IWeightUse
    {
        public void Use<TFormat>(CpuDevice device, WeightRows weights)
            where TFormat : struct, IWeightFormat =>
            device.Run(new NarrowJob<TFormat>(source, weights), checked((int)rows));
    }

    private readonly struct NarrowJob<TFormat>(Rows source, WeightRows target) : IJob
        where TFormat : struct, IWeightFormat
    {
        public void Run(int item) => TFormat.Narrow(source[item], target.Width, target[item]);
    }

    private readonly struct WidenUse(Rows target, nint rows) : IWeightUse
    {
        public void Use<TFormat>(CpuDevice device, WeightRows weights)
            where TFormat : struct, IWeightFormat =>
            device.Run(new WidenJob(weights, target), checked((int)rows));
    }

    private readonly struct WidenJob(WeightRows source, Rows target) : IJob
    {
        public void Run(int item) => source.Widen(item, 0, source.Width, target[item]);
    }

    /// <summary>A linear map of few rows, without packing.</summary>
    private readonly struct FewRowsUse(Rows x, nint rows, int columns, float* bias, Rows start, Rows y) : IWeightUse
    {
        public void Use<TFormat>(CpuDevice device, WeightRows weights)
            where TFormat : struct, IWeightFormat
        {
            MatMulFewRows<TFormat> product = new(x, rows, weights, columns, bias, start, y);
            device.Run(new FewRowsJob<TFormat>(product), product.Items);
        }
    }

    private readonly struct FewRowsJob<TFormat>(MatMulFewRows<TFormat> product) : IJob
        where TFormat : struct, IWeightFormat
    {
        public void Run(int item) => product.Run(item);
    }

    /// <summary>A linear map of many rows, with packed weights.</summary>
    private readonly struct PackedUse(MatMulFactor x, nint rows, int columns, Rows start, Rows y) : IWeightUse
    {
        public void Use<TFormat>(CpuDevice device, WeightRows weights)
            where TFormat : struct, IWeightFormat =>
            device.MultiplyPacked(x, new(weights), rows, columns, weights.Width, start, y);
    }

    /// <summary>Looks up rows of a table.</summary>
    private readonly struct LookUpUse(int* indices, nint count, Rows y) : IWeightUse
    {
        public void Use<TFormat>(CpuDevice device, WeightRows weights)
            where TFormat : struct, IWeightFormat =>
            device.Run(new LookUpJob(weights, indices, y), checked((int)count));
    }

    private readonly struct LookUpJob(WeightRows table, int* indices, Rows y) : IJob
    {
        public void Run(int item)
        {
            if (indices[item] >= 0)
            {
                table.Widen(indices[item], 0, table.Width, y[item]);
            }
            else
            {
                new Span<float>(y[item], table.Width).Clear();
            }
        }
    }
}
