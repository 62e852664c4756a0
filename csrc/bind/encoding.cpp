#include "bind/register.hpp"

namespace dnafast::bind {

void register_encoding(pybind11::module_&) {}

}  // namespace dnafast::bind
