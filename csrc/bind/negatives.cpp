#include "bind/register.hpp"

namespace dnafast::bind {

void register_negatives(pybind11::module_&) {}

}  // namespace dnafast::bind
