#include "bind/register.hpp"

namespace dnafast::bind {

void register_loader(pybind11::module_&) {}

}  // namespace dnafast::bind
