// What every processor of the architecture runs: SSE2 on x86-64, NEON on AArch64.

#define DNAFAST_VECTOR_BYTES 16
#define DNAFAST_KERNELS(type) conv1d_baseline_##type
#include "ops/cpu/conv1d_kernel.hpp"
