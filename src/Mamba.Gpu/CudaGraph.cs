using ILGPU.Runtime.Cuda;
using Mamba.Gpu.Native;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>An executable CUDA graph: captured from a stream, replayed by one launch.</summary>
internal sealed class CudaGraph : Recording.IReplay
{
    private readonly CudaAccelerator _accelerator;
    private readonly CudaStream _stream;
    private readonly nint _executable;

    private CudaGraph(CudaAccelerator accelerator, CudaStream stream, nint executable) =>
        (_accelerator, _stream, _executable) = (accelerator, stream, executable);

    /// <summary>Captures the launches of <paramref name="work"/> as a graph, without running them.</summary>
    /// <returns>The graph; null if the work cannot be captured.</returns>
    public static CudaGraph? Capture(CudaAccelerator accelerator, CudaStream stream, Action work)
    {
        accelerator.Bind();
        CudaDriver.Check(
            CudaDriver.StreamBeginCapture(stream.StreamPtr, CudaDriver.CaptureModeThreadLocal), "Beginning a capture");
        bool isWhole = false;
        int status;
        nint graph;
        try
        {
            work();
            isWhole = true;
        }
        catch (Exception exception) when (exception is CudaException or InvalidOperationException)
        {
            // For example an allocation, which a capture forbids. The caller then runs the work itself.
        }
        finally
        {
            status = CudaDriver.StreamEndCapture(stream.StreamPtr, out graph);
        }

        if (!isWhole || status != 0)
        {
            if (status == 0)
            {
                CudaDriver.Check(CudaDriver.GraphDestroy(graph), "Freeing a captured graph");
            }

            return null;
        }

        status = CudaDriver.GraphInstantiate(out nint executable, graph, 0);
        CudaDriver.Check(CudaDriver.GraphDestroy(graph), "Freeing a captured graph");
        CudaDriver.Check(status, "Preparing a captured graph");
        return new(accelerator, stream, executable);
    }

    public void Run()
    {
        _accelerator.Bind();
        CudaDriver.Check(CudaDriver.GraphLaunch(_executable, _stream.StreamPtr), "Starting a graph");
    }

    public void Dispose()
    {
        _accelerator.Bind();
        _stream.Synchronize();
        CudaDriver.Check(CudaDriver.GraphExecDestroy(_executable), "Freeing a graph");
    }
}
