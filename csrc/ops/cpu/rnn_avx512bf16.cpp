// AVX-512 with products in bfloat16; the flags are set in CMakeLists.txt. Empty on other architectures.
#if defined(__x86_64__)

#define DNAFAST_VECTOR_BYTES 64
#define DNAFAST_NARROW
#define DNAFAST_CELL Rnn
#define DNAFAST_KERNELS(type) rnn_avx512bf16_##type
#include "ops/cpu/recurrent_kernel.hpp"

#endif
