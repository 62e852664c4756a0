// torch.ops.dnafast: the namespace. Each operator adds itself in the file of its name.

#include <string>

#include "ops/check.hpp"
#include "ops/compat.hpp"
#include "ops/cpu/instruction_set.hpp"

namespace dnafast {
namespace {

std::string instruction_set_name() { return name(instruction_set()); }

std::string text_of_last_refusal() { return last_refusal; }

}  // namespace
}  // namespace dnafast

STABLE_TORCH_LIBRARY(dnafast, m) {
  m.def("instruction_set() -> str");
  m.def("last_refusal() -> str");
  m.def("multiplies_bfloat16() -> bool");
}

STABLE_TORCH_LIBRARY_IMPL(dnafast, CompositeExplicitAutograd, m) {
  m.impl("instruction_set", TORCH_BOX(&dnafast::instruction_set_name));
  m.impl("last_refusal", TORCH_BOX(&dnafast::text_of_last_refusal));
  m.impl("multiplies_bfloat16", TORCH_BOX(&dnafast::multiplies_bfloat16));
}
