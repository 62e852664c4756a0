#pragma once

namespace dnafast {

// In rising order: a processor that has one has those before it.
enum class InstructionSet { baseline, avx2, avx512 };

const char* name(InstructionSet set);

// The best set that this processor has and the library was compiled for, or the one that the environment variable
// DNAFAST_ISA names. Decided at the first call. Throws std::invalid_argument where the name is unknown or out of reach.
InstructionSet instruction_set();

// Whether it has products in bfloat16 with it (AVX512_BF16).
bool multiplies_bfloat16();

}  // namespace dnafast
