#include "bind/register.hpp"

namespace dnafast::bind {

void register_genome(pybind11::module_&) {}

}  // namespace dnafast::bind
