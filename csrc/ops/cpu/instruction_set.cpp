#include "ops/cpu/instruction_set.hpp"

#include <cstdlib>
#include <string>

#include "ops/check.hpp"

namespace dnafast {
namespace {

InstructionSet best_here() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    return InstructionSet::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::avx2;
#endif
  return InstructionSet::baseline;
}

InstructionSet choose() {
  const InstructionSet best = best_here();
  const char* wanted = std::getenv("DNAFAST_ISA");
  if (wanted == nullptr || *wanted == '\0') return best;
  for (const InstructionSet set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
    if (std::string(wanted) != name(set)) continue;
    if (set > best) refuse("DNAFAST_ISA=", wanted, ": this processor offers at most ", name(best));
    return set;
  }
  refuse("DNAFAST_ISA=", wanted, ": expected baseline, avx2 or avx512");
}

}  // namespace

const char* name(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::avx2:
      return "avx2";
    default:
      return "baseline";
  }
}

InstructionSet instruction_set() {
  static const InstructionSet chosen = choose();
  return chosen;
}

bool multiplies_bfloat16() {
#if defined(__x86_64__)
  static const bool does = instruction_set() == InstructionSet::avx512 && __builtin_cpu_supports("avx512bf16");
  return does;
#else
  return false;
#endif
}

}  // namespace dnafast
