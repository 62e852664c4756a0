#pragma once

#include <cstdint>
#include <string_view>

namespace dnafast {

// The instruction sets for which loops are compiled apart, best last.
enum class InstructionSet : std::uint8_t { baseline, avx2 };

// The one in use: the best of this processor, or the one that DNAFAST_ISA names, read once. Throws
// std::invalid_argument where that is unknown or the processor lacks it.
InstructionSet instruction_set();

std::string_view name(InstructionSet set);

}  // namespace dnafast
