using ILGPU.Runtime.Cuda;
using Mamba.Gpu.Native;

namespace Mamba.Gpu;

/// <summary>The time of every kernel and product of a CUDA device, measured by events on its stream.</summary>
internal sealed class GpuProfile(CudaStream stream) : IDisposable
{
    private readonly List<(string Name, nint Start, nint End)> _launches = [];

    /// <summary>Records the start of some work.</summary>
    /// <returns>Records its end when it is disposed.</returns>
    public Span Measure(string name) => new(this, name);

    /// <summary>Number of launches and their time for each name, the longest first. The stream must be idle.</summary>
    public IReadOnlyList<(string Name, int Count, double Milliseconds)> Totals() =>
    [
        .. _launches
            .GroupBy(launch => launch.Name, (name, all) => (name, all.Count(), all.Sum(TimeOf)))
            .OrderByDescending(total => total.Item3),
    ];

    public void Dispose() => Clear();

    /// <summary>Forgets all launches.</summary>
    public void Clear()
    {
        foreach ((_, nint start, nint end) in _launches)
        {
            CudaDriver.Check(CudaDriver.EventDestroy(start), "Freeing an event");
            CudaDriver.Check(CudaDriver.EventDestroy(end), "Freeing an event");
        }

        _launches.Clear();
    }

    private static double TimeOf((string Name, nint Start, nint End) launch)
    {
        CudaDriver.Check(
            CudaDriver.EventElapsedTime(out float milliseconds, launch.Start, launch.End),
            "Reading the time of a launch");
        return milliseconds;
    }

    private nint Record()
    {
        CudaDriver.Check(CudaDriver.EventCreate(out nint created, 0), "Creating an event");
        CudaDriver.Check(CudaDriver.EventRecord(created, stream.StreamPtr), "Recording an event");
        return created;
    }

    /// <summary>Work that is being measured.</summary>
    public readonly struct Span : IDisposable
    {
        private readonly GpuProfile? _profile;
        private readonly string _name;
        private readonly nint _start;

        public Span(GpuProfile profile, string name) => (_profile, _name, _start) = (profile, name, profile.Record());

        public void Dispose() => _profile?._launches.Add((_name, _start, _profile.Record()));
    }
}
