// AVX2 and FMA; the flags are set in CMakeLists.txt. Empty on other architectures.
#if defined(__x86_64__)

#define DNAFAST_VECTOR_BYTES 32
#define DNAFAST_CELL Rnn
#define DNAFAST_KERNELS(type) rnn_avx2_##type
#include "ops/cpu/recurrent_kernel.hpp"

#endif
