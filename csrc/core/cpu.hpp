#pragma once

#include <cstdint>
#include <string_view>

namespace dnafast {

// Instruction sets that can be told apart, best last. Most loops of the data path run no faster with avx512 than with
// avx2 (the memory is their limit), so only unpacking has one for it; the operators have a build for each.
enum class InstructionSet : std::uint8_t { baseline, avx2, avx512 };

// The one in use: the best of this processor, or the one that DNAFAST_ISA names, read once. Throws
// std::invalid_argument where that is unknown or the processor lacks it.
InstructionSet instruction_set();

std::string_view name(InstructionSet set);

}  // namespace dnafast
