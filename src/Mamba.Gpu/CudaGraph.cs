using ILGPU.Runtime.Cuda;
using Mamba.Gpu.Native;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>A CUDA graph: launches that were captured from a stream, and are started together.</summary>
internal sealed class CudaGraph : Recording.IReplay
{
    private readonly CudaAccelerator _accelerator;
    private readonly CudaStream _stream;
    private readonly nint _executable;

    private CudaGraph(CudaAccelerator accelerator, CudaStream stream, nint executable) =>
        (_accelerator, _stream, _executable) = (accelerator, stream, executable);

    /// <summary>Captures what work launches, which does not run.</summary>
    /// <returns>The graph; null where the work does what cannot be captured.</returns>
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
            // Such as memory that had to be taken of the driver: the caller does the work instead, or fails by it.
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
