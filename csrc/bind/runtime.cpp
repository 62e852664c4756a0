#include "bind/register.hpp"

namespace dnafast::bind {

void register_runtime(pybind11::module_&) {}

}  // namespace dnafast::bind
