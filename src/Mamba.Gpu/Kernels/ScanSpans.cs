using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// For each span of a sequence, the state after it from a state of zeros, and the sum of its Δ. They give the state
/// before every span, so that all spans can be scanned in parallel. Real states only.
/// </summary>
/// <param name="scan">The inputs, with spans as sequences.</param>
/// <param name="ends">Becomes h at the end of every span that starts from zeros.</param>
/// <param name="steps">Becomes ΣΔ of every span and channel.</param>
internal readonly struct ScanSpanKernel<TCouplings>(ScanArrays scan, GpuRows ends, GpuRows steps) : IKernel
    where TCouplings : struct, IScanCouplings
{
    public void Run()
    {
        ScanChunk chunk = ScanChunk.Allocate();
        ScanPlace place = new(scan);
        int number = 0;
        do
        {
            Advance(chunk, place, number);
            number += 4 * Group.DimY;
        }
        while (number < scan.Numbers);
    }

    private void Advance(ScanChunk chunk, ScanPlace place, int first)
    {
        int number = first + (4 * Group.IdxY);
        Quad a = default, b = default, h = default;
        float bias = 0f, sum = 0f;
        if (place.IsInside)
        {
            bias = scan.DeltaBias.LoadOr(0, place.Channel, 0f);
            a = scan.LoadA<RealNumbers>(number, place.Channel);
        }

        if (TCouplings.MayBeConstant && place.IsInside && scan.HasConstantB != 0)
        {
            b = scan.LoadState<RealNumbers>(scan.B, 0, number, place.Channel);
        }

        for (int start = 0; start < place.Length; start += ScanConstants.ChunkLength)
        {
            int left = place.Length - start;
            int count = left < ScanConstants.ChunkLength ? left : ScanConstants.ChunkLength;
            chunk.LoadCouplings(scan, place, (long)place.Start + start, count, first);
            chunk.LoadTokens(scan, place, (long)place.Start + start, count, bias);
            Group.Barrier();
            for (int t = 0; t < count; t++)
            {
                ScanToken token = chunk.At(t);
                if (TCouplings.MayBeConstant && scan.HasConstantB != 0)
                {
                    token.B = b;
                }

                h = (RealNumbers.Decay(a, token.Delta) * h) + (token.B * token.Input);
                sum += token.Delta;
            }

            Group.Barrier(); // before the next chunk overwrites shared memory
        }

        if (place.IsInside)
        {
            scan.StoreState<RealNumbers>(ends, (long)place.Sequence * scan.Numbers, number, place.Channel, h);
            if (first == 0 && Group.IdxY == 0)
            {
                steps.Store(place.Sequence, place.Channel, sum);
            }
        }
    }
}

/// <summary>
/// The state before every span: <c>h ← exp(A·ΣΔ)·h + end</c>, span by span of a sequence. A thread has four channels
/// of a state.
/// </summary>
/// <param name="plane">Rows (sequence, state), columns channels.</param>
/// <param name="states">Number of states.</param>
/// <param name="firstOf">The first span of every sequence, and the end of the last.</param>
/// <param name="a">A, or its logarithm.</param>
/// <param name="isALog">1 if it is the logarithm, else 0.</param>
/// <param name="steps">ΣΔ of every span.</param>
/// <param name="initial">h before each sequence; optional.</param>
/// <param name="spans">Ends of the spans; become the states before them.</param>
/// <param name="final">Becomes h after each sequence; may be the initial state.</param>
internal readonly struct ScanFoldKernel(
    Plane plane,
    int states,
    ArrayView<int> firstOf,
    GpuRows a,
    int isALog,
    GpuRows steps,
    GpuRows initial,
    GpuRows spans,
    GpuRows final) : IKernel
{
    public void Run()
    {
        long row = plane.Row, channel = plane.Column;
        if (!plane.Contains(row, channel))
        {
            return;
        }

        int sequence = (int)row / states, n = (int)row - (sequence * states);
        Quad rate = a.LoadQuad(n, channel, plane.Width), h = default;
        if (isALog != 0)
        {
            rate = RealNumbers.FromLog(rate);
        }

        if (initial.Exists)
        {
            h = initial.LoadQuad(row, channel, plane.Width);
        }

        for (int span = firstOf[sequence]; span < firstOf[sequence + 1]; span++)
        {
            long place = ((long)span * states) + n;
            Quad step = steps.LoadQuad(span, channel, plane.Width), end = spans.LoadQuad(place, channel, plane.Width);
            spans.StoreQuad(place, channel, plane.Width, h);
            Quad decay = new(
                Decay(rate.X, step.X), Decay(rate.Y, step.Y), Decay(rate.Z, step.Z), Decay(rate.W, step.W));
            h = (decay * h) + end;
        }

        final.StoreQuad(row, channel, plane.Width, h);
    }

    private static float Decay(float a, float step) => ScanMath.Decay(step * ScanConstants.Log2E * a);
}
