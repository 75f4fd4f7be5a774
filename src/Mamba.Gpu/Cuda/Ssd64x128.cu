// The SSD for heads of 64 channels with 128 states; see Ssd.cuh.
#include "SsdScan.cuh"
#include "SsdStates.cuh"

extern "C" __global__ void __launch_bounds__(256, 2) ssdStates(const __grid_constant__ Ssd arguments)
{
    DYNAMIC_SHARED(shared);
    StatesKernel<64, 128, 2, 8>::run(arguments, (char*)shared);
}

// One head for each block, for groups of an odd number of heads.
extern "C" __global__ void __launch_bounds__(256, 2) ssdStatesOne(const __grid_constant__ Ssd arguments)
{
    DYNAMIC_SHARED(shared);
    StatesKernel<64, 128, 1, 8>::run(arguments, (char*)shared);
}

extern "C" __global__ void __launch_bounds__(256, 2) ssdScan(const __grid_constant__ Ssd arguments)
{
    DYNAMIC_SHARED(shared);
    ScanKernel<64, 128>::run(arguments, (char*)shared);
}
