// What every processor of the architecture runs: SSE2 on x86-64, NEON on AArch64.

#define DNAFAST_VECTOR_BYTES 16
#define DNAFAST_CELL Rnn
#define DNAFAST_KERNELS(type) rnn_baseline_##type
#include "ops/cpu/recurrent_kernel.hpp"
