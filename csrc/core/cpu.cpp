#include "core/cpu.hpp"

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace dnafast {
namespace {

constexpr std::array all_sets{InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512};

bool supported(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return true;
#if defined(__x86_64__)
    case InstructionSet::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
    case InstructionSet::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    default:
      return false;
  }
}

InstructionSet choose() {
  const char* forced = std::getenv("DNAFAST_ISA");
  InstructionSet best = InstructionSet::baseline;
  std::string names;
  for (const InstructionSet set : all_sets) {
    if (!supported(set)) continue;
    if (forced != nullptr && forced == name(set)) return set;
    best = set;
    names += (names.empty() ? "" : ", ") + std::string(name(set));
  }
  if (forced != nullptr && *forced != 0) {
    throw std::invalid_argument("DNAFAST_ISA='" + std::string(forced) +
                                "' must be one of those this processor has: " + names);
  }
  return best;
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet set = choose();
  return set;
}

std::string_view name(InstructionSet set) {
  constexpr std::array<std::string_view, 3> names{"baseline", "avx2", "avx512"};
  return names[static_cast<std::size_t>(set)];
}

}  // namespace dnafast
