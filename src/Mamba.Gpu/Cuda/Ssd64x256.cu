// The SSD for heads of 64 channels with 256 states; see Ssd.cuh.
#include "SsdScan.cuh"
#include "SsdStates.cuh"

extern "C" __global__ void __launch_bounds__(256, 2) ssdStates(const __grid_constant__ Ssd arguments)
{
    DYNAMIC_SHARED(shared);
    StatesKernel<64, 256, 1, 8>::run(arguments, (char*)shared);
}

extern "C" __global__ void __launch_bounds__(256, 1) ssdScan(const __grid_constant__ Ssd arguments)
{
    DYNAMIC_SHARED(shared);
    ScanKernel<64, 256>::run(arguments, (char*)shared);
}
